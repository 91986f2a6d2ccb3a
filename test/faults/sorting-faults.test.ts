import { v7 } from 'uuid';
import { expect, test } from 'vitest';
import type { PlainClient } from '../support/plain-client.ts';
import { FaultyWorld } from './faulty-world.ts';

/** Where the node kills itself while jobs are sorted into partitions: inside a step, between steps, at the last one. */
const FAULTS = ['sortPartitions:commit#2', 'sortPartitions:committed#1', 'sortPartitions:commit#1'];

/** More than the steps of all those lives sort: 500 jobs each. */
const JOBS = 1_650;
const TENANTS = 30;
const LIMIT = 2;

const control = (client: PlainClient, verb: string, body: object = {}) =>
  client.ask(`jobs.ctl.queue.${verb}`, { queue: 'default', ...body });

/** The most jobs of one tenant that ran at once, from what handlers wrote down. */
function mostAtOnce(notes: readonly { what: string; id: string }[], tenantOf: ReadonlyMap<string, string>): number {
  const running = new Map<string, number>();
  let most = 0;
  for (const { what, id } of notes) {
    const tenant = tenantOf.get(id) ?? 'none';
    const now = (running.get(tenant) ?? 0) + (what === 'start' ? 1 : -1);
    running.set(tenant, now);
    most = Math.max(most, now);
  }
  return most;
}

test('kill -9 while jobs are sorted into partitions loses none, and the limit holds from its answer on', async () => {
  const tenantOf = new Map<string, string>();
  /** Those that were there when the limit was set. */
  const sorted = new Set<string>();
  const jobFor = (id: string): object => {
    const tenant = `tenant-${tenantOf.size % TENANTS}`;
    tenantOf.set(id, tenant);
    return { id, type: 'work', args: { tenant, ms: 3 } };
  };
  const one = async (client: PlainClient): Promise<string> => {
    const id = v7();
    await client.ask('jobs.enqueue.default', jobFor(id));
    return id;
  };
  const world = await FaultyWorld.make({ one, pauseMs: 100 });
  const { client, load } = world;

  /** While nothing starts: all jobs, then the limit; when that is answered the queue may go on. */
  const prepare = async (): Promise<void> => {
    await control(client, 'pause');
    for (let done = 0; done < JOBS; done += 550) {
      const ids = Array.from({ length: 550 }, () => v7());
      const jobs = ids.map(jobFor);
      await client.ask('jobs.enqueue.default', jobs);
      load.acknowledged.push(...ids);
      for (const id of ids) sorted.add(id);
    }
    await control(client, 'limit', { partition: { by: 'args.tenant', limit: LIMIT } });
    await control(client, 'resume');
  };
  const prepared = prepare();
  for (const fault of FAULTS) await world.dieAt(fault);
  expect(sorted.size, 'all of them were there to be sorted').toBe(JOBS);
  const earlier = world.notes();
  expect(
    earlier.filter(({ id }) => sorted.has(id)),
    'nothing starts while it is being sorted',
  ).toEqual([]);
  const broken = await world.settle();
  await prepared;
  expect(broken).toEqual([]);
  const most = mostAtOnce(world.notes().slice(earlier.length), tenantOf);
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(LIMIT);
});
