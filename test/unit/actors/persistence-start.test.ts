import { expect, test } from 'vitest';
import { Persistence } from '../../../src/actors/persistence/persistence.ts';
import { RotaError } from '../../../src/kernel/error.ts';
import { silentLogger as log } from '../../../src/kernel/log.ts';
import { MemoryBroker } from '../../../src/messaging/memory/memory-broker.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import type { JobStore } from '../../../src/store/job-store.ts';
import { seededRandom, VirtualClock } from '../../../src/testing/testing.ts';

test('one that cannot start hears of the bus no more', async () => {
  const clock = new VirtualClock();
  const subjects = new Subjects('jobs');
  const broker = new MemoryBroker({ clock, random: seededRandom(1) });
  const bus = broker.connect({ name: 'here', subjects, noEcho: true });
  let asked = 0;
  const store: JobStore = {
    capabilities: { name: 'fake', durable: false, shared: false, groupsMax: 1 },
    perform: async () => {
      asked += 1;
      throw new RotaError('unavailable', 'the disk is away');
    },
    close: async () => {},
  };
  const persistence = new Persistence({
    ...{ store, bus, subjects, clock, node: 'here', leaseMs: 30_000, beatMs: 5_000, pollMs: 1_000, log },
  });
  await expect(persistence.start()).rejects.toMatchObject({ code: 'unavailable' });
  const before = asked;
  broker.down();
  broker.up();
  await clock.settle();
  expect(clock.pending, 'nothing is to be announced by it').toBe(0);
  await clock.advance(60_000);
  expect(asked).toBe(before);
});
