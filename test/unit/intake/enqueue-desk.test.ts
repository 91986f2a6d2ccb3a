import { expect, test } from 'vitest';
import { EnqueueDesk } from '../../../src/actors/intake/enqueue-desk.ts';
import { JobBuilder } from '../../../src/actors/intake/job-builder.ts';
import type { Registry } from '../../../src/actors/intake/registry.ts';
import type { StoreClient } from '../../../src/actors/store-client.ts';
import type { NewJob } from '../../../src/job/job.ts';
import { uuidSource } from '../../../src/kernel/identity.ts';
import { Body } from '../../../src/messaging/body.ts';
import type { Bus, Message } from '../../../src/messaging/bus.ts';
import { BRIEF_HEADERS } from '../../../src/messaging/contract/brief.ts';
import { StoredAsSent } from '../../../src/store/stored-as-sent.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

const clock = new VirtualClock();
const parts = { definition: () => undefined, hasQueue: () => true, defaultsOf: async () => undefined };
// The parts of a registry that a builder asks.
const registry = { ...parts, knowsType: async () => true } as unknown as Registry;

/** A desk whose store answers for so many jobs of each request. */
function deskOf(answered: number): EnqueueDesk {
  const ask = async (_verb: string, { jobs }: { jobs: readonly NewJob[] }) =>
    jobs.slice(0, answered).map((job) => new StoredAsSent(job));
  // What a desk asks of a store and of a bus.
  const [store, bus] = [{ ask } as unknown as StoreClient, { payloadBytesMax: 1_000_000 } as Bus];
  return new EnqueueDesk({ bus, store, builder: new JobBuilder({ registry, clock }), newId: uuidSource(clock) });
}

async function served(desk: EnqueueDesk, headers: Message['headers']): Promise<unknown> {
  const body = Body.of([{ type: 'work' }, { type: 'work' }], 'json');
  let said: unknown;
  const respond: Message['respond'] = (answer) => {
    said = answer.body?.value;
  };
  await desk.serve({ subject: 'jobs.enqueue.default', body, headers, reply: 'inbox', respond });
  return said;
}

test.each([
  ['in brief', BRIEF_HEADERS],
  ['whole', {}],
])('never acknowledges a job that the store did not answer for, %s', async (_how, headers) => {
  expect(await served(deskOf(2), headers)).toMatchObject({ jobs: [{ conflict: false }, { conflict: false }] });
  await expect(served(deskOf(1), headers)).rejects.toMatchObject({ code: 'unavailable' });
});
