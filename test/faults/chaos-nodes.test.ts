import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Fleet } from '../support/fleet.ts';
import { allEnded } from '../support/load.ts';
import type { WireJob } from '../support/plain-client.ts';
import { type ChaosJob, everyJob } from './chaos-history.ts';
import { TERMINAL } from './journey-checker.ts';

interface ListedNode {
  name: string;
  leader: boolean;
  refused: Record<string, number>;
}
interface Placed extends WireJob {
  attemptedBy: { node: string } | null;
  finishedAt: string | null;
  errors: (WireJob['errors'][number] & { at: string })[];
}

const config = fileURLToPath(new URL('./chaos-config.ts', import.meta.url));
/** Long enough that a fault comes while it runs. */
const RUN_MS = 900;
/** More than two nodes run at once. */
const JOBS = 50;

describe('a fleet of two whole nodes and a worker', () => {
  let fleet: Fleet;

  beforeAll(async () => {
    fleet = await Fleet.make();
    await Promise.all(['a', 'b'].map((name) => fleet.start(name, { config })));
    await fleet.start('worker', { config, roles: 'queues' });
  });
  afterAll(async () => {
    expect(fleet.strayExits).toEqual([]);
    await fleet[Symbol.asyncDispose]();
  });

  const listed = async (): Promise<ListedNode[]> =>
    (await fleet.client.ask<{ nodes: ListedNode[] }>('jobs.ctl.node.list', {})).nodes;
  const refusals = async (): Promise<number> =>
    (await listed()).flatMap(({ refused }) => Object.values(refused)).reduce((sum, times) => sum + times, 0);

  /**
   * Enqueues more than two nodes run at once, and again when all has ended: a claim may wait for its time at a node that
   * has just been frozen. Answers the ids, and those that a node has under way.
   */
  async function busy(node: string): Promise<{ ids: string[]; held: string[] }> {
    for (;;) {
      const ids = await Promise.all(Array.from({ length: JOBS }, () => fleet.client.enqueue('work', { ms: RUN_MS })));
      const held = await heldBy(node, ids);
      if (held.length > 0) return { ids, held };
    }
  }
  async function heldBy(node: string, ids: readonly string[]): Promise<string[]> {
    for (;;) {
      const filter = { state: 'executing', type: 'work', limit: 500 };
      const { jobs } = await fleet.client.ask<{ jobs: Placed[] }>('jobs.job.list', filter);
      const mine = jobs.filter(({ id, attemptedBy }) => attemptedBy?.node === node && ids.includes(id));
      if (mine.length > 0) return mine.map(({ id }) => id);
      const open = await Promise.all(ids.map((id) => fleet.client.get(id)));
      if (open.every(({ state }) => TERMINAL.has(state))) return [];
    }
  }

  async function completedOnce(ids: readonly string[]): Promise<Placed[]> {
    const jobs = (await allEnded(fleet.client, ids)) as Placed[];
    expect(jobs.map(({ state }) => state)).toEqual(ids.map(() => 'completed'));
    await fleet.client.endsTold(ids);
    for (const id of ids) expect([...(fleet.client.ends.get(id)?.keys() ?? [])]).toHaveLength(1);
    return jobs;
  }

  /** Resolves when stale reports were refused beyond those before, as the nodes tell. */
  async function refusedMoreThan(before: number): Promise<void> {
    while ((await refusals()) <= before)
      await fleet.client.ask('jobs.job.wait', { id: await anyJob(), timeoutMs: 100 });
  }
  /** A job that ends only later: something to wait on. */
  const anyJob = (): Promise<string> => fleet.client.enqueue('work', {}, { scheduleIn: '1s' });

  test('rescues the jobs of a node that froze, and refuses what it says of them when it thaws', async () => {
    const before = await refusals();
    const { ids, held } = await busy('b');
    const { process } = fleet.node('b');
    const frozenAt = Date.now();
    process.signal('SIGSTOP');
    const jobs = await completedOnce(ids);
    const its = jobs.filter(({ id }) => held.includes(id));
    // When they ended depends on whom the others ask meanwhile: whoever asks the node that froze waits for it.
    const rescues = its.flatMap(({ errors }) => errors.filter(({ kind }) => kind === 'orphaned'));
    const rescuedMs = Math.max(...rescues.map(({ at }) => Date.parse(at))) - frozenAt;
    const endedMs = Math.max(...its.map(({ finishedAt }) => Date.parse(finishedAt ?? ''))) - frozenAt;
    console.log(
      `of a node that froze, with a lease of 2 s, jobs were rescued in ${rescuedMs} ms, had ended in ${endedMs}`,
    );
    expect(its.map(({ attemptedBy }) => attemptedBy?.node)).not.toContain('b');
    expect(rescues.length).toBeGreaterThanOrEqual(held.length);
    expect(rescuedMs).toBeLessThan(20_000);
    process.signal('SIGCONT');
    await refusedMoreThan(before);
    expect(await completedOnce(ids)).toEqual(jobs);
  });

  test('has one leader at a time, though the former one thaws: one job per tick', async () => {
    const former = (await listed()).find(({ leader }) => leader)?.name ?? '';
    const from = fleet.client.events.length;
    fleet.node(former).process.signal('SIGSTOP');
    const { source } = await fleet.client.event(({ type }) => type === 'jobs.node.leader-acquired', from);
    expect(source).not.toContain(`/${former}`);
    fleet.node(former).process.signal('SIGCONT');
    await fleet.client.event(
      ({ type, source: teller }) => type === 'jobs.node.leader-lost' && teller.endsWith(`/${former}`),
      from,
    );
    const since = fleet.client.events.length;
    for (let seen = 0; seen < 8; seen++) {
      await fleet.client.event(({ type }) => type === 'jobs.schedule.fired', since + seen);
    }
    expect((await listed()).filter(({ leader }) => leader)).toHaveLength(1);
    const ticks = (await everyJob(fleet.client)).filter(({ schedule }) => schedule !== null).map(tickOf);
    expect(new Set(ticks).size).toBe(ticks.length);
  });

  test('rescues the jobs of a worker that is cut from NATS, and refuses what it says of them when it is back', async () => {
    const before = await refusals();
    const { ids } = await busy('worker');
    await fleet.node('worker').nats.shut();
    const jobs = await completedOnce(ids);
    await fleet.node('worker').nats.open();
    await refusedMoreThan(before);
    expect(await completedOnce(ids)).toEqual(jobs);
    const { ids: more } = await busy('worker');
    await completedOnce(more);
  });

  test('leaves a node that is cut from NATS at its work: it has the database', async () => {
    const { ids, held } = await busy('a');
    await fleet.node('a').nats.shut();
    const jobs = await completedOnce(ids);
    for (const { id, attempt } of jobs) if (held.includes(id)) expect(attempt).toBe(1);
    await fleet.node('a').nats.open();
    await busy('a');
  });
});

const tickOf = ({ schedule }: ChaosJob): string => `${schedule?.name} ${schedule?.at}`;
