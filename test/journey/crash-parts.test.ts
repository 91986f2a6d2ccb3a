import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { constant, defineJob, defineScheduler, every, type Rota, start } from '../../src/index.ts';
import type { Supervisor } from '../../src/supervisor/supervisor.ts';
import { freePort } from '../support/free-port.ts';
import { allEnded, Load, seeded } from '../support/load.ts';
import { PlainClient } from '../support/plain-client.ts';
import { until } from '../support/rota-node.ts';

/** The roots of the trees that were started in this process: what only a test may reach into. */
const roots = vi.hoisted((): unknown[] => []);

vi.mock('../../src/supervisor/supervisor.ts', async (original) => {
  const real = await original<typeof import('../../src/supervisor/supervisor.ts')>();
  const startSupervisor: typeof real.startSupervisor = async (...input) => {
    const root = await real.startSupervisor(...input);
    roots.push(root);
    return root;
  };
  return { ...real, startSupervisor };
});

interface World {
  rota: Rota;
  root: Supervisor;
  client: PlainClient;
  /** `start id run` and `end id run`, as handlers did it. */
  notes: { what: 'start' | 'end'; id: string; run: number }[];
}

async function world(): Promise<World> {
  const data = mkdtempSync(join(tmpdir(), 'rota-parts-'));
  onTestFinished(() => rmSync(data, { recursive: true, force: true }));
  const notes: World['notes'] = [];
  const backoff = constant({ base: '200ms', jitter: 0 });
  const work = async ({
    args,
    job,
  }: {
    args: { ms?: number; fails?: number };
    job: { id: string; run: number; attempt: number };
  }) => {
    notes.push({ what: 'start', id: job.id, run: job.run });
    await wait(args.ms ?? 0);
    if (job.attempt <= (args.fails ?? 0)) throw new Error('fails');
    notes.push({ what: 'end', id: job.id, run: job.run });
    return { run: job.run };
  };
  const odd = defineJob({ type: 'odd', maxAttempts: 1, run: () => Promise.reject('odd') });
  const quick = defineJob<{ ms?: number; fails?: number }>({ type: 'work', backoff, run: work });
  const slow = defineJob<{ ms?: number; fails?: number }>({ type: 'slow', queue: 'slow', backoff, run: work });
  const config = defineScheduler({
    queues: { default: 20, slow: 8 },
    jobs: [quick, slow, odd],
    schedules: { tick: every('1s', quick) },
  });
  const nats = `embedded://127.0.0.1:${await freePort()}`;
  const brisk = { lease: '2s', beat: '400ms', poll: '200ms', grace: '1s', leaderLease: '2s' };
  const rota = await start(config, { ...brisk, nats, data, logLevel: 'silent', node: 'test' });
  onTestFinished(() => rota.stop());
  const client = await PlainClient.to(rota.natsUrl);
  onTestFinished(() => client.close());
  await client.listen();
  return { rota, root: roots.at(-1) as Supervisor, client, notes };
}

/** Where a part stands: the supervisors above it, then its id. */
type Place = readonly [...string[], string];

const keeperOf = (root: Supervisor, place: Place): Supervisor | undefined =>
  place.slice(0, -1).reduce<Supervisor | undefined>((keeper, id) => keeper?.supervisor(id), root);
const idOf = (place: Place): string => place.at(-1) ?? '';
const incarnationOf = (root: Supervisor, place: Place): number =>
  keeperOf(root, place)
    ?.whichChildren()
    .find(({ id }) => id === idOf(place))?.incarnation ?? 0;

/** Crashes a part: it fails from within, or is ended from outside as a killed thread is. */
function crash(root: Supervisor, place: Place, how: 'fails' | 'killed'): void {
  const actor = keeperOf(root, place)?.child(idOf(place));
  if (actor === undefined) throw new Error(`${place.join('/')} does not run`);
  if (how === 'killed') actor.stop();
  else actor.send({ type: 'failed', error: new Error(`${place.join('/')} was made to crash`) });
}

function check(jobs: Awaited<ReturnType<typeof allEnded>>, notes: World['notes']): void {
  const starts = notes.filter(({ what }) => what === 'start').map(({ id, run }) => `${id} ${run}`);
  expect(new Set(starts).size, 'no run is started twice').toBe(starts.length);
  for (const { id, type, state, result } of jobs) {
    expect(state).toBe(type === 'odd' ? 'discarded' : 'completed');
    if (type === 'odd') continue;
    const { run } = result as { run: number };
    expect(
      notes.filter((note) => note.id === id && note.run > run),
      'completed jobs never start again',
    ).toEqual([]);
  }
}

const PARTS: readonly { place: Place; how: readonly ('fails' | 'killed')[] }[] = [
  { place: ['persistence'], how: ['killed'] },
  { place: ['persistence'], how: ['killed'] },
  { place: ['intake'], how: ['fails', 'killed'] },
  { place: ['connection'], how: ['fails', 'killed'] },
  { place: ['node'], how: ['fails', 'killed'] },
  { place: ['queues', 'queue:default', 'queue'], how: ['fails', 'killed'] },
  { place: ['queues', 'queue:default', 'executor'], how: ['fails', 'killed'] },
  { place: ['queues', 'queue:slow', 'queue'], how: ['fails', 'killed'] },
  { place: ['queues', 'queue:slow'], how: ['killed'] },
  { place: ['queues', 'steward'], how: ['fails'] },
  { place: ['scheduling', 'scheduler'], how: ['fails', 'killed'] },
  { place: ['scheduling', 'janitor'], how: ['fails', 'killed'] },
];

const seeds = process.env.ROTA_SEED ? [Number(process.env.ROTA_SEED)] : [Math.floor(Math.random() * 2 ** 31)];

/** What a node that has stopped holds none of. */
const HANDLES = ['MessagePort', 'ProcessWrap', 'Worker', 'TCPSocketWrap', 'TCPServerWrap'];
const held = (): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
};

describe('a crash of each part under load', () => {
  test.each(seeds)('is healed by the rules and loses nothing (ROTA_SEED=%i)', async (seed) => {
    const before = held();
    const { rota, root, client, notes } = await world();
    const random = seeded(seed);
    const order = PARTS.map((part) => ({ ...part, at: random() })).sort((left, right) => left.at - right.at);
    const load = new Load(client, random);
    await load.more(30);
    for (const { place, how } of order) {
      const life = incarnationOf(root, place);
      const from = client.events.length;
      crash(root, place, how[Math.floor(random() * how.length)] ?? 'fails');
      if (place[0] !== 'connection') {
        const [keeper = 'rota'] = place.slice(-2, -1);
        const about = `${keeper}/${idOf(place)}`;
        // After an outage supervisor events are told twice: an earlier life's restart may come again.
        await client.event(
          ({ type, subject, data }) =>
            type === 'jobs.supervisor.child-restarted' && subject === about && Number(data.incarnation) > life,
          from,
        );
        expect(incarnationOf(root, place)).toBeGreaterThan(life);
      }
      await load.more(10 + Math.floor(random() * 20));
    }
    await load.stop();
    check(await allEnded(client, load.acknowledged), notes);
    await client.endsTold(load.acknowledged);
    for (const [job, ids] of client.ends) expect(ids.size, `one event id of ${job}`).toBe(1);
    const later = client.events.length;
    await client.event(({ type }) => type === 'jobs.schedule.fired', later);

    await client.close();
    await rota.stop();
    // A handle that is being closed goes in a later turn.
    await until(
      async () => held(),
      (after) => HANDLES.every((kind) => (after[kind] ?? 0) <= (before[kind] ?? 0)),
    );
  });

  test('again and again fails that queue alone, and says so', async () => {
    const { root, client } = await world();
    const place: Place = ['queues', 'queue:slow', 'queue'];
    for (let times = 0; times < 4; times += 1) {
      const from = client.events.length;
      crash(root, place, 'fails');
      await client.event(
        ({ type, subject }) => type === 'jobs.supervisor.child-exited' && subject === 'queue:slow/queue',
        from,
      );
      await client.event(({ type }) => /child-restarted|gave-up/.test(type), from);
    }
    await client.event(({ type }) => type === 'jobs.supervisor.gave-up');
    await client.event(({ type }) => type === 'jobs.queue.failed');
    const waiting = await client.enqueue('slow', {}, { queue: 'slow' });
    expect(await client.ended(await client.enqueue('work'))).toMatchObject({ state: 'completed' });
    expect((await client.get(waiting)).state).toBe('available');
  });
});
