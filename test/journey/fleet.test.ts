import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Fleet, mostAtOnce } from '../support/fleet.ts';
import { allEnded } from '../support/load.ts';
import type { WireJob } from '../support/plain-client.ts';

interface ListedNode {
  name: string;
  leader: boolean;
  refused: Record<string, number>;
}
type Placed = WireJob & { attemptedBy: { node: string } | null; schedule: { at: string } | null };

const HOUR_MS = 3_600_000;

describe('a fleet of two whole nodes and a worker without a database', () => {
  let fleet: Fleet;
  const ask = <T>(subject: string, body: object = {}): Promise<T> => fleet.client.ask<T>(`jobs.${subject}`, body);

  beforeAll(async () => {
    fleet = await Fleet.make();
    // One machine's clock is an hour ahead, another's an hour behind.
    await Promise.all([fleet.start('ahead', { skewMs: HOUR_MS }), fleet.start('right')]);
    await fleet.start('worker', { roles: 'queues', skewMs: -HOUR_MS });
  }, 60_000);
  afterAll(() => fleet[Symbol.asyncDispose]());

  test('has one leader, and each node knows the others', async () => {
    const { nodes } = await ask<{ nodes: ListedNode[] }>('ctl.node.list');
    expect(nodes.map(({ name }) => name).sort()).toEqual(['ahead', 'right', 'worker']);
    expect(nodes.filter(({ leader }) => leader)).toHaveLength(1);
  });

  test('shares the work, each job once', async () => {
    const ids = await Promise.all(Array.from({ length: 150 }, () => fleet.client.enqueue('work', { ms: 50 })));
    const jobs = (await allEnded(fleet.client, ids)) as Placed[];
    expect(new Set(jobs.map(({ attemptedBy }) => attemptedBy?.node))).toEqual(new Set(['ahead', 'right', 'worker']));
    expect(jobs.every(({ state, attempt }) => state === 'completed' && attempt === 1)).toBe(true);
    const starts = fleet.notes().filter(({ what, id }) => what === 'start' && ids.includes(id));
    expect(starts).toHaveLength(ids.length);
    await fleet.client.endsTold(ids);
    for (const id of ids) expect(fleet.client.ends.get(id)?.size).toBe(1);
  });

  test('goes by one clock, whatever the machines say', async () => {
    const before = Date.now();
    const id = await fleet.client.enqueue('work', {}, { scheduleIn: '1s' });
    const job = await fleet.client.ended(id);
    expect(job.state).toBe('completed');
    const { scheduledAt, finishedAt } = (await fleet.client.get(id)) as unknown as Record<string, string>;
    for (const at of [scheduledAt, finishedAt]) {
      expect(Date.parse(at ?? '') - before).toBeGreaterThan(0);
      expect(Date.parse(at ?? '') - before).toBeLessThan(60_000);
    }
  });

  test('makes one job per tick', async () => {
    const ticks = async (): Promise<Placed[]> =>
      (await ask<{ jobs: Placed[] }>('job.list', { schedule: 'tick', limit: 500 })).jobs;
    const from = fleet.client.events.length;
    for (let seen = 0; seen < 3; seen += 1) {
      await fleet.client.event(({ type }) => type === 'jobs.schedule.fired', from + seen);
    }
    const times = (await ticks()).map(({ schedule }) => schedule?.at);
    expect(new Set(times).size).toBe(times.length);
    const off = times.map((at) => Math.abs(Date.parse(at ?? '') - Date.now()));
    expect(Math.max(...off)).toBeLessThan(120_000);
  });

  test('obeys a pause and a resume everywhere', async () => {
    await ask('ctl.queue.pause', { queue: 'default', waitMs: 5_000 });
    const ids = await Promise.all(Array.from({ length: 30 }, () => fleet.client.enqueue('work')));
    const { byState } = await ask<{ byState: Record<string, number> }>('job.count', { queue: 'default', type: 'work' });
    expect(byState.available).toBeGreaterThanOrEqual(30);
    await ask('ctl.queue.resume', { queue: 'default' });
    for (const { state } of await allEnded(fleet.client, ids)) expect(state).toBe('completed');
  });

  test('holds a global limit over all nodes', async () => {
    await ask('ctl.queue.limit', { queue: 'slow', globalLimit: 3 });
    const more = { queue: 'slow' };
    const ids = await Promise.all(Array.from({ length: 40 }, () => fleet.client.enqueue('slow', { ms: 60 }, more)));
    await allEnded(fleet.client, ids);
    expect(mostAtOnce(fleet.notes(), new Set(ids))).toBe(3);
    await ask('ctl.queue.limit', { queue: 'slow', globalLimit: null });
  });

  test('stops a running job wherever it runs', async () => {
    const ids = await Promise.all(
      Array.from({ length: 12 }, () => fleet.client.enqueue('polite', {}, { queue: 'slow' })),
    );
    const running = (await Promise.all(ids.map((id) => untilRunning(fleet, id)))) as Placed[];
    expect(new Set(running.map(({ attemptedBy }) => attemptedBy?.node)).size).toBeGreaterThan(1);
    for (const id of ids) expect(await ask('job.cancel', { id })).toMatchObject({ state: 'cancelled' });
    await fleet.client.endsTold(ids);
  });

  test('goes on when a node is killed: what it ran is rescued, and another leads', async () => {
    const { nodes } = await ask<{ nodes: ListedNode[] }>('ctl.node.list');
    const name = nodes.find(({ leader }) => leader)?.name ?? '';
    const ids = await Promise.all(Array.from({ length: 60 }, () => fleet.client.enqueue('work', { ms: 400 })));
    await fleet.node(name).process.noted((notes) => notes.some(({ id }) => ids.includes(id)));
    const from = fleet.client.events.length;
    await fleet.node(name).process.kill();
    await fleet.client.event(({ type }) => type === 'jobs.node.leader-acquired', from);
    for (const { state } of await allEnded(fleet.client, ids)) expect(state).toBe('completed');
    await fleet.node(name).process.start();
    const again = await fleet.client.enqueue('work');
    expect(await fleet.client.ended(again)).toMatchObject({ state: 'completed' });
  });
});

/** A job once a worker has it. */
async function untilRunning(fleet: Fleet, id: string): Promise<WireJob> {
  for (;;) {
    const job = await fleet.client.get(id);
    if (job.state === 'executing') return job;
    await fleet.client.ask('jobs.job.wait', { id, timeoutMs: 50 });
  }
}
