import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defineJob } from '../../src/index.ts';
import { type RotaNode, startRotaNode, until } from '../support/rota-node.ts';

// PROTOCOL.md section 3: signs of life, lost claims, dead workers, progress.

const BEAT_MS = 300;
let node: RotaNode;
beforeAll(async () => {
  node = await startRotaNode({ queues: { default: 1, lease: 1, life: 1 }, jobs: [defineJob({ type: 'theirs' })] });
});
afterAll(() => node.stop());

interface Claimed {
  id: string;
  attempt: number;
  run: number;
}
const newWorker = (): string => crypto.randomUUID();
const get = (id: string) => node.ask('jobs.job.get', { id });
const ref = ({ id, attempt, run }: Claimed) => ({ id, attempt, run });
async function running(worker: string, fields: object = {}, queue = 'default'): Promise<Claimed> {
  await node.ask(`jobs.enqueue.${queue}`, { type: 'theirs', ...fields });
  const { jobs } = await node.ask(`jobs.work.${queue}.claim`, { worker, node: 'plain', limit: 1 });
  return jobs[0];
}
const beat = (worker: string, ...jobs: Claimed[]) =>
  node.ask('jobs.work.default.beat', { worker, running: jobs.map(ref) });
const complete = (worker: string, job: Claimed) =>
  node.ask('jobs.work.default.settle', { worker, outcomes: [{ ...ref(job), outcome: 'complete' }] });

describe('beat', () => {
  test('is answered with nothing while all is well', async () => {
    const worker = newWorker();
    const job = await running(worker);
    expect(await beat(worker, job)).toEqual({ cancel: [], lost: [] });
    expect(await beat(newWorker())).toEqual({ cancel: [], lost: [] });
    await complete(worker, job);
  });

  test('names the worker by the node of its claim, which it need not say again', async () => {
    const worker = newWorker();
    const job = await running(worker);
    await beat(worker, job);
    expect(await get(job.id)).toMatchObject({ attemptedBy: { node: 'plain', worker } });
    await node.ask('jobs.work.default.beat', { worker, node: 'moved', running: [ref(job)] });
    await beat(worker, job);
    expect(await get(job.id)).toMatchObject({ attemptedBy: { node: 'moved', worker } });
    await complete(worker, job);
    expect(await get(job.id)).toMatchObject({ attemptedBy: { node: 'moved', worker } });
  });

  test('tells of jobs that are cancelled, and whether to terminate them', async () => {
    const worker = newWorker();
    const jobs = [await running(worker), await running(worker)];
    const [one, two] = jobs as [Claimed, Claimed];
    await node.ask('jobs.job.cancel', { id: one.id });
    await node.ask('jobs.job.cancel', { id: two.id, terminate: true });
    const { cancel, lost } = await beat(worker, ...jobs);
    expect(lost).toEqual([]);
    expect(cancel).toEqual([
      { id: one.id, terminate: false },
      { id: two.id, terminate: true },
    ]);
  });

  test('tells of jobs that are lost: settled, never there, or somebody else’s', async () => {
    const worker = newWorker();
    const [done, others, stale] = [await running(worker), await running(newWorker()), await running(worker)];
    await complete(worker, done);
    const nowhere = { id: '01a20128-f7ac-76ca-9234-b51070260f07', attempt: 1, run: 1 };
    const { cancel, lost } = await beat(worker, done, others, { ...stale, run: 7 }, nowhere);
    expect(cancel).toEqual([]);
    expect(lost.toSorted()).toEqual([done.id, others.id, stale.id, nowhere.id].toSorted());
  });

  test('two that do not list a job release it, each at least a beat after the claim and the miss before', async () => {
    const worker = newWorker();
    const job = await running(worker);
    const claimedAt = performance.now();
    // A burst of delayed beats is none of that.
    for (let times = 0; times < 5; times += 1) await beat(worker);
    expect(performance.now() - claimedAt).toBeLessThan(BEAT_MS);
    expect(await get(job.id)).toMatchObject({ state: 'executing', attempt: 1 });
    await until(
      () => beat(worker).then(() => get(job.id)),
      ({ state }) => state !== 'executing',
    );
    expect(performance.now() - claimedAt).toBeGreaterThan(2 * BEAT_MS - 50);
    expect(await get(job.id)).toMatchObject({ state: 'available', attempt: 0, errors: [] });
    const late = await complete(worker, job);
    expect(late.refused).toEqual([{ id: job.id, reason: 'not_executing' }]);
    const { jobs } = await node.ask('jobs.work.default.claim', { worker: newWorker(), node: 'plain' });
    expect(jobs[0]).toMatchObject({ id: job.id, attempt: 1, run: 2 });
    expect((await complete(worker, job)).refused).toEqual([{ id: job.id, reason: 'not_owner' }]);
    expect((await beat(worker, job)).lost).toEqual([job.id]);
  });

  test('that lists the job in between begins anew', async () => {
    const worker = newWorker();
    const job = await running(worker);
    const sign = () => node.ask('jobs.job.get', { id: job.id });
    const begun = performance.now();
    const pass = async (ms: number): Promise<void> => {
      await until(sign, () => performance.now() - begun > ms);
    };
    await pass(BEAT_MS + 20);
    await beat(worker); // the first miss
    await pass(2 * BEAT_MS + 40);
    await beat(worker, job);
    await beat(worker); // a first miss again
    expect(await get(job.id)).toMatchObject({ state: 'executing' });
    await complete(worker, job);
  });

  test('refuses what is wrong with it', async () => {
    const worker = newWorker();
    const bad: [object, string][] = [
      [{ worker: 'x', running: [] }, 'worker'],
      [{ worker }, 'running'],
      [{ worker, running: {} }, 'running'],
      [{ worker, running: [{ id: 1, attempt: 1 }] }, 'running.0.id'],
      [{ worker, running: [{ id: 'x' }] }, 'running.0.attempt'],
    ];
    for (const [body, path] of bad) {
      const answer = await node.request('jobs.work.default.beat', body);
      expect(answer).toMatchObject({ status: 400, code: 'invalid_request', paths: [path] });
    }
  });
});

describe('a worker without a sign of life', () => {
  test('is dead after a lease: its jobs are rescued, the attempt counts', async () => {
    const [worker, last] = [newWorker(), newWorker()];
    const begun = performance.now();
    const job = await running(worker, {}, 'lease');
    const ended = await running(last, { maxAttempts: 1 }, 'lease');
    await node.event(({ subject, event }) => subject.endsWith('.rescued') && event.subject === job.id);
    expect(performance.now() - begun).toBeGreaterThan(1_800);
    expect(await get(job.id)).toMatchObject({
      state: 'available',
      attempt: 1,
      errors: [{ kind: 'orphaned', attempt: 1 }],
    });
    await node.event(({ subject, event }) => subject.endsWith('.discarded') && event.subject === ended.id);
    expect(await get(ended.id)).toMatchObject({ state: 'discarded', errors: [{ kind: 'orphaned' }] });
    expect((await complete(worker, job)).refused).toEqual([{ id: job.id, reason: 'not_executing' }]);
    await node.ask('jobs.job.cancel', { id: job.id });
  });

  test('lives as long as it beats, settles or waits in a claim', async () => {
    const [beating, waiting] = [newWorker(), newWorker()];
    const jobs = [await running(beating, {}, 'life'), await running(waiting, {}, 'life')] as [Claimed, Claimed];
    const claim = { worker: waiting, node: 'plain', waitMs: 4_000, types: ['none'] };
    const parked = node.ask('jobs.work.default.claim', claim);
    const begun = performance.now();
    await until(
      () => beat(beating, jobs[0]),
      () => performance.now() - begun > 3_500,
    );
    for (const { id } of jobs) expect(await get(id)).toMatchObject({ state: 'executing', attempt: 1 });
    await complete(beating, jobs[0]);
    await complete(waiting, jobs[1]);
    expect(await parked).toMatchObject({ jobs: [] });
  });
});

describe('progress', () => {
  const progress = (body: object) => node.request('jobs.work.default.progress', body);

  test('is kept, seen by get and told as an event', async () => {
    const worker = newWorker();
    const job = await running(worker);
    const { id, attempt } = job;
    expect(await progress({ worker, id, attempt, progress: { done: 3 } })).toMatchObject({ value: {} });
    expect((await progress({ worker, ...ref(job), progress: 'half' })).value).toEqual({});
    expect(await get(id)).toMatchObject({ progress: 'half' });
    const { event } = await node.event((seen) => seen.subject.endsWith('.progress') && seen.event.subject === id);
    expect(event.data).toMatchObject({ id, progress: { done: 3 } });
    await complete(worker, job);
  });

  test('has at most 4 KiB, and is refused when it is wrong or not the worker’s', async () => {
    const worker = newWorker();
    const job = await running(worker);
    const most = 'x'.repeat(4_094);
    expect((await progress({ worker, ...ref(job), progress: most })).status).toBeUndefined();
    expect(await progress({ worker, ...ref(job), progress: `${most}x` })).toMatchObject({
      status: 413,
      code: 'too_large',
    });
    expect(await progress({ worker, ...ref(job) })).toMatchObject({ status: 400, paths: ['progress'] });
    expect(await progress({ worker: newWorker(), ...ref(job), progress: 1 })).toMatchObject({ status: 409 });
    const nowhere = { id: '01a20128-f7ac-76ca-9234-b51070260f07', attempt: 1 };
    expect(await progress({ worker, ...nowhere, progress: 1 })).toMatchObject({ status: 404 });
    expect((await get(job.id)).progress).toBe(most);
    await complete(worker, job);
  });
});
