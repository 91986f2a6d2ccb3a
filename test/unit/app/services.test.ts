import { afterEach, expect, test, vi } from 'vitest';
import { defineScheduler } from '../../../src/app/configuration.ts';
import { silentLogger as log } from '../../../src/kernel/log.ts';
import { LocalRoute } from '../../../src/messaging/local/local-route.ts';
import { MemoryBroker } from '../../../src/messaging/memory/memory-broker.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import { openSqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { seededRandom } from '../../../src/testing/seeded-random.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { startVirtualNode } from '../../../src/testing/virtual-node.ts';

afterEach(() => void vi.restoreAllMocks());

/** Starts a node with services of its config, and what became of them. */
function nodeWith(settings: Record<string, unknown>) {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const broker = new MemoryBroker({ clock, random });
  const openStore = () => openSqliteStore({ path: ':memory:', random });
  const services: string[] = [];
  const config = defineScheduler({
    queues: { default: 1 },
    services: async () => {
      services.push('made');
      return { close: () => void services.push('closed') };
    },
  });
  const starting = startVirtualNode(config, { clock, random, broker, openStore, log, settings });
  return { clock, services, starting };
}

test('are made and closed once by a node that runs jobs', async () => {
  const { clock, services, starting } = nodeWith({});
  await clock.advance(1_000);
  const { rota } = await starting;
  expect(services).toEqual(['made']);
  const stopping = rota.stop();
  await clock.advance(20_000);
  await stopping;
  expect(services).toEqual(['made', 'closed']);
});

test('are not made by a node that runs none, also not to be closed', async () => {
  const { clock, services, starting } = nodeWith({ roles: 'store,intake' });
  await clock.advance(1_000);
  const { rota } = await starting;
  const stopping = rota.stop();
  await clock.advance(20_000);
  await stopping;
  expect(services).toEqual([]);
});

test('are closed where the start fails after they were made', async () => {
  const { subscribe } = LocalRoute.prototype;
  vi.spyOn(LocalRoute.prototype, 'subscribe').mockImplementation(function (this: LocalRoute, subject, ...rest) {
    // What only the scheduler listens to, which starts after the queues.
    if (subject === new Subjects('jobs').hint('schedule', '*')) throw new Error('a scheduler that cannot start');
    return subscribe.call(this, subject, ...rest);
  });
  const { clock, services, starting } = nodeWith({});
  const failed = expect(starting).rejects.toThrow('a scheduler that cannot start');
  await clock.advance(60_000);
  await failed;
  expect(services).toEqual(['made', 'closed']);
});
