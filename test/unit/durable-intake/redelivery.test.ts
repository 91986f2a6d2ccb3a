import { afterEach, beforeEach, expect, test } from 'vitest';
import { MessageDesk } from '../../../src/actors/durable-intake/message-desk.ts';
import { MessageReader } from '../../../src/actors/durable-intake/message-reader.ts';
import { JobBuilder } from '../../../src/actors/intake/job-builder.ts';
import type { Registry } from '../../../src/actors/intake/registry.ts';
import type { StoreClient } from '../../../src/actors/store-client.ts';
import { silentLogger } from '../../../src/kernel/log.ts';
import { Body } from '../../../src/messaging/body.ts';
import type { StreamMessage } from '../../../src/messaging/durable-stream.ts';
import { MemoryBroker } from '../../../src/messaging/memory/memory-broker.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import type { JobStore, StoreOptions, StoreVerb } from '../../../src/store/job-store.ts';
import { openSqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { StoreDriver } from '../../conformance/store/store-driver.ts';

/** What a life that is killed still does, of: storing jobs, storing rejections, telling them, finishing. */
const LIVES = ['nothing', 'insert', 'reject', 'flush', 'finish'] as const;
type Life = (typeof LIVES)[number];

const subjects = new Subjects('jobs');
const registry = {
  definition: () => undefined,
  hasQueue: () => true,
  mustKnowQueue: async () => {},
  defaultsOf: async () => undefined,
  knowsType: async (type: string) => type !== 'nothing',
};
const killed = new Promise<never>(() => {});

let clock: VirtualClock;
let store: JobStore;
let told: string[];
beforeEach(() => {
  clock = new VirtualClock();
  store = openSqliteStore({ path: ':memory:', random: () => 0.5 });
  told = [];
});
afterEach(() => store.close());

const bodies: [body: unknown, id?: string][] = [
  [{ type: 'work' }],
  [{ type: 'work' }, 'one'],
  [[{ type: 'work' }, { type: 'work' }], 'many'],
  [[{ type: 'work' }, { type: 'work' }]],
  [{ each: [{ type: 'work' }, { type: 'nothing' }, { type: 'work' }] }, 'each'],
  [{ type: 'nothing' }, 'bad'],
  [{ type: 'nothing' }],
];
const JOBS = 8;
const REJECTED = 3;

/** Delivers everything once to a node that is killed right after a step; none of it is acked then. */
async function life(ends: Life, deliveries: number): Promise<number> {
  let finished = 0;
  const messages = bodies.map(
    ([body, id], place): StreamMessage => ({
      ...{ subject: 'jobs.intake.default', takenAt: 1_700_000_000_000 + place, key: `S:${place}`, deliveries },
      ...{ body: Body.of(body, 'json'), headers: id === undefined ? {} : { 'Nats-Msg-Id': id } },
      finish: () => {
        finished += 1;
      },
      giveBack: () => {},
    }),
  );
  const bus = new MemoryBroker({ clock, random: () => 0.5 }).connect({ name: 'here', subjects });
  bus.subscribe('jobs.events.>', {}, ({ body }) => void told.push((body.value as { id: string }).id));
  const flush = bus.flush.bind(bus);
  bus.flush = () => (ends === 'reject' ? killed : flush());
  const client: StoreClient = {
    ask: async <V extends StoreVerb>(verb: V, options: StoreOptions<V>) => {
      if (ends === 'nothing' || (ends === 'insert' && verb === 'reject')) return killed;
      return new StoreDriver(store).do(verb, options);
    },
    askTimed: () => killed,
  };
  // Of a registry the builder asks no more than this.
  const reader = new MessageReader(new JobBuilder({ registry: registry as unknown as Registry, clock }), clock);
  const desk = new MessageDesk({ bus, subjects, clock, node: 'here', store: client, reader, log: silentLogger });
  desk.handle(messages, new AbortController().signal);
  await clock.advance(10);
  return ends === 'finish' ? finished : 0;
}

test.each(LIVES)('a node that is killed after "%s" leaves every message to end once', async (first) => {
  await life(first, 1);
  await clock.advance(60_000);
  expect(await life('finish', 2)).toBe(bodies.length);
  await life('finish', 3);
  const driver = new StoreDriver(store);
  expect((await driver.do('count', { filter: {} })).total).toBe(JOBS);
  const { rejected } = await driver.do('rejected', { limit: 10 });
  expect(rejected.map(({ key }) => key).sort()).toEqual(['S:4:1', 'S:5', 'S:6']);
  expect(new Set(told)).toEqual(new Set(rejected.map(({ key }) => key)));
  expect(rejected).toHaveLength(REJECTED);
});
