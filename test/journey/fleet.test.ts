import { v7 } from 'uuid';
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

/** What one node answers to `$SRV.STATS`. */
interface Stats {
  metadata: { node: string };
  endpoints: { name: string; num_requests: number; num_errors: number }[];
}

const HOUR_MS = 3_600_000;
/** A part of a node that is slow to tell its counts is shown without any. */
const SOON = { timeout: 30_000 };

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

  test('is served by both of its stores', async () => {
    const serve = async (endpoint: string): Promise<string[]> => {
      const all = { strategy: 'count', maxMessages: 3, maxWait: 30_000 } as const;
      const nodes: string[] = [];
      for await (const reply of await fleet.client.connection.requestMany('$SRV.STATS.rota', '', all)) {
        const { metadata, endpoints } = reply.json<Stats>();
        const answered = endpoints.find(({ name }) => name === endpoint);
        if (answered && answered.num_requests > answered.num_errors) nodes.push(metadata.node);
      }
      return nodes.sort();
    };
    // The broker draws who gets a request: of so many each gets some.
    await Promise.all(Array.from({ length: 64 }, () => fleet.client.enqueue('work')));
    await expect.poll(() => serve('enqueue'), SOON).toEqual(['ahead', 'right']);
    const claim = { worker: crypto.randomUUID(), node: 'plain' };
    await Promise.all(Array.from({ length: 64 }, () => ask('work.single.claim', claim)));
    await expect.poll(() => serve('work-claim'), SOON).toEqual(['ahead', 'right']);
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

  test('is scaled as a whole and node by node', async () => {
    const limits = { ahead: 2, right: 2, worker: 5 };
    // Each runs until it is cancelled.
    const fill = async (): Promise<Set<string>> => {
      const jobs = Array.from({ length: 40 }, () => ({ id: v7(), type: 'polite' }));
      await ask('enqueue.slow', jobs);
      return new Set(jobs.map(({ id }) => id));
    };
    const running = async (): Promise<Placed[]> =>
      (await ask<{ jobs: Placed[] }>('job.list', { queue: 'slow', state: 'executing', limit: 500 })).jobs;
    const empty = async (ids: ReadonlySet<string>): Promise<void> => {
      await ask('job.cancel', { queue: 'slow', type: 'polite' });
      await fleet.client.endsTold([...ids]);
    };
    const untilFull = async (
      ids: ReadonlySet<string>,
      beyond: (job: Placed) => Promise<unknown>,
    ): Promise<Placed[]> => {
      for (;;) {
        const jobs = await running();
        const byNode = Map.groupBy(jobs, ({ attemptedBy }) => attemptedBy?.node ?? '');
        const each = Object.entries(limits).map(([node, limit]) => ({ limit, mine: byNode.get(node) ?? [] }));
        if (each.every(({ limit, mine }) => mine.length === limit)) return jobs;
        for (const { limit, mine } of each) for (const job of mine.slice(limit)) await beyond(job);
        for (const id of [...ids].slice(-1)) await ask('job.wait', { id, timeoutMs: 50 });
      }
    };

    await ask('ctl.queue.scale', { queue: 'slow', limit: 2 });
    await ask('ctl.queue.scale', { queue: 'slow', limit: 5, node: 'worker' });
    // What a node took before it heard of its limit goes; from then on it knows.
    const early = await fill();
    await untilFull(early, ({ id }) => ask('job.cancel', { id }));
    await empty(early);
    const ids = await fill();
    const jobs = await untilFull(ids, ({ id, attemptedBy }) =>
      Promise.reject(new Error(`${id} is one too many on ${attemptedBy?.node}`)),
    );
    await empty(ids);
    const notes = fleet.notes().map((note) => (note.what.startsWith('abort') ? { ...note, what: 'end' } : note));
    expect(mostAtOnce(notes, ids)).toBe(9);
    for (const [node, limit] of Object.entries(limits)) {
      const mine = jobs.filter(({ attemptedBy }) => attemptedBy?.node === node).map(({ id }) => id);
      expect(mostAtOnce(notes, new Set(mine)), node).toBe(limit);
    }
    await ask('ctl.queue.scale', { queue: 'slow', limit: null });
    await ask('ctl.queue.scale', { queue: 'slow', limit: null, node: 'worker' });
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
