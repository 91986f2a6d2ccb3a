import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { constant, defineJob } from '../../src/index.ts';
import { ForeignWorker } from '../support/foreign-worker.ts';
import { startNatsServer, type TestNatsServer } from '../support/nats-server.ts';
import { type RotaNode, type SeenEvent, startRotaNode, until } from '../support/rota-node.ts';

const QUEUE = 'python';
/** Of `BRISK`: how long a worker may be silent. */
const LEASE_MS = 2_000;
const backoff = constant({ base: '100ms', jitter: 0 });
const declared = (type: string) => defineJob({ type, queue: QUEUE, backoff, maxAttempts: 3 });

let server: TestNatsServer;
let node: RotaNode;
beforeAll(async () => {
  server = await startNatsServer();
  const jobs = ['py.echo', 'py.flaky', 'py.wait', 'py.deaf', 'py.end'].map(declared);
  // The node runs a queue of its own and knows the other one by its types only: it has no handler for them.
  node = await startRotaNode({ queues: { default: 2 }, jobs }, { nats: server.url });
});
afterAll(async () => {
  await node.stop();
  await server.dispose();
});

async function worker(graceSeconds?: number): Promise<ForeignWorker> {
  const started = await ForeignWorker.start(server.url, QUEUE, graceSeconds);
  onTestFinished(() => started.dispose());
  return started;
}

async function enqueue(type: string, args: object, more: object = {}): Promise<string> {
  return (await node.ask(`jobs.enqueue.${QUEUE}`, { type, args, ...more })).job.id;
}

const ended = (id: string) => node.ask('jobs.job.wait', { id, timeoutMs: 15_000 }, { timeoutMs: 20_000 });
const about = (id: string, what: string) => (seen: SeenEvent) =>
  seen.event.subject === id && seen.event.type === `jobs.job.${what}`;
/** What was told of a job, each event once: after an outage the last ones are told again. */
const told = (id: string): string[] => {
  const events = node.events.filter(({ event }) => event.subject === id).map(({ event }) => event);
  return [...new Map(events.map((event) => [event.id, event.type.replace('jobs.job.', '')])).values()];
};

describe('a worker in Python', () => {
  test('takes what waits for it and what comes while it waits, and its results are kept', async () => {
    const args = { to: 'zoë', list: [1, null, { deep: '\u{1f600}' }] };
    const before = await enqueue('py.echo', args);
    expect((await node.ask('jobs.job.get', { id: before })).state).toBe('available');
    await worker();
    expect(await ended(before)).toMatchObject({ state: 'completed', result: args, attempt: 1, errors: [] });
    const jobs = Array.from({ length: 20 }, (_, n) => ({ type: 'py.echo', args: { n } }));
    const reply = await node.ask(`jobs.enqueue.${QUEUE}`, jobs);
    const ids: string[] = reply.jobs.map(({ job }: { job: { id: string } }) => job.id);
    const all = await Promise.all(ids.map(ended));
    expect(all.map(({ result }) => result)).toEqual(jobs.map((job) => job.args));
    expect(all[0].attemptedBy).toMatchObject({ node: 'python' });
  });

  test('has its failures retried, and tells what was raised', async () => {
    await worker();
    const id = await enqueue('py.flaky', { succeedsAt: 3 });
    const job = await ended(id);
    expect(job).toMatchObject({ state: 'completed', attempt: 3, result: { attempt: 3 } });
    expect(job.errors).toMatchObject([
      { attempt: 1, kind: 'error', message: 'RuntimeError: attempt 1 fails' },
      { attempt: 2, kind: 'error', message: 'RuntimeError: attempt 2 fails' },
    ]);
    expect(told(id)).toEqual(['inserted', ...Array(2).fill(['started', 'retryable']).flat(), 'started', 'completed']);
  });

  test('snoozes, cancels, discards, and completes without a result that is no JSON', async () => {
    await worker();
    const [snoozed, cancelled, discarded, odd] = await Promise.all(
      ['snooze', 'cancel', 'discard', 'odd'].map((how) => enqueue('py.end', { how }).then(ended)),
    );
    expect(snoozed).toMatchObject({ state: 'completed', attempt: 1, result: 'at last' });
    expect(cancelled).toMatchObject({ state: 'cancelled', errors: [{ kind: 'cancelled', message: 'not wanted' }] });
    expect(discarded).toMatchObject({ state: 'discarded', errors: [{ kind: 'discarded', message: 'hopeless' }] });
    expect(odd).toMatchObject({ state: 'completed', result: null, errors: [{ kind: 'result' }] });
  });

  test('keeps a job beyond the lease by its beats, and ends one that takes longer than its timeout', async () => {
    await worker();
    const long = await enqueue('py.deaf', { seconds: (LEASE_MS * 1.6) / 1_000 });
    const late = await enqueue('py.wait', { seconds: 60 }, { timeout: '200ms', maxAttempts: 1 });
    expect(await ended(late)).toMatchObject({ state: 'discarded', errors: [{ kind: 'timeout' }] });
    expect(await ended(long)).toMatchObject({ state: 'completed', attempt: 1, result: { run: 1 } });
    expect(told(long)).toEqual(['inserted', 'started', 'completed']);
  });

  test('loses its job when it is frozen for longer than the lease, and its late settlement is refused', async () => {
    const frozen = await worker();
    // Its handler is through when it goes on, and the other's is not, however busy the machine is.
    const id = await enqueue('py.deaf', { seconds: [LEASE_MS / 1_000, 5] });
    await frozen.line(`started ${id} 1`);
    frozen.signal('SIGSTOP');
    await node.event(about(id, 'rescued'));
    const other = await worker();
    await other.line(`started ${id} 2`);
    frozen.signal('SIGCONT');
    await frozen.line(`refused ${id} not_owner`);
    const job = await ended(id);
    expect(job).toMatchObject({ state: 'completed', attempt: 2, result: { run: 2 }, errors: [{ kind: 'orphaned' }] });
    expect(told(id)).toEqual(['inserted', 'started', 'rescued', 'started', 'completed']);
    const [{ refused }] = (await node.ask('jobs.ctl.node.list')).nodes;
    expect(refused.not_owner).toBeGreaterThan(0);
    // It was not told to leave: it goes on with other jobs.
    other.signal('SIGTERM');
    expect(await other.exited).toBe(0);
    const next = await enqueue('py.echo', { again: true });
    expect(await ended(next)).toMatchObject({ state: 'completed', attempt: 1 });
    await frozen.line(`started ${next} 1`);
  });

  test('hears of a cancel, and what it says later is refused', async () => {
    const here = await worker();
    const id = await enqueue('py.wait', { seconds: 60 });
    await here.line(`started ${id} 1`);
    expect((await node.ask('jobs.job.cancel', { id })).state).toBe('cancelled');
    await here.line(`cancelled ${id} 1`);
    await here.line(`refused ${id} not_executing`);
    expect(await node.ask('jobs.job.get', { id })).toMatchObject({ state: 'cancelled', result: null });
  });

  test('settles what ended while the broker was away, and goes on', async () => {
    const here = await worker();
    const id = await enqueue('py.deaf', { seconds: 0.5 });
    await here.line(`started ${id} 1`);
    await server.stop('SIGKILL');
    await until(
      async () => here.lines.some((line) => line.startsWith('settle-failed')),
      (failed) => failed,
    );
    await server.restart();
    // Our own connection and the node's come back in their own time.
    const job = await until(
      async () => (await node.request('jobs.job.get', { id }, { timeoutMs: 500 }).catch(() => undefined))?.value,
      (seen) => seen?.state === 'completed',
    );
    expect(job).toMatchObject({ attempt: 1, result: { run: 1 }, errors: [] });
    const next = await enqueue('py.echo', {});
    expect(await ended(next)).toMatchObject({ state: 'completed' });
  });

  test('at SIGTERM settles what ends in time, releases the rest, claims no more and goes', async () => {
    const leaving = await worker(0.5);
    const [soon, polite, deaf] = [
      await enqueue('py.deaf', { seconds: 0.3 }),
      await enqueue('py.wait', { seconds: 60 }),
      await enqueue('py.deaf', { seconds: 60 }),
    ];
    for (const id of [soon, polite, deaf]) await leaving.line(`started ${id} 1`);
    leaving.signal('SIGTERM');
    expect(await leaving.exited).toBe(0);
    expect(leaving.lines.at(-1)).toBe('left');
    expect(told(soon)).toEqual(['inserted', 'started', 'completed']);
    for (const id of [polite, deaf]) {
      await node.event(about(id, 'released'));
      expect(await node.ask('jobs.job.get', { id })).toMatchObject({ state: 'available', attempt: 0, errors: [] });
    }
    const after = await enqueue('py.echo', {});
    expect((await node.ask('jobs.job.get', { id: after })).state).toBe('available');
    for (const id of [polite, deaf]) await node.ask('jobs.job.cancel', { id });
    await worker();
    expect(await ended(after)).toMatchObject({ state: 'completed', attempt: 1 });
  });
});
