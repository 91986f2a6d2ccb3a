import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/kernel/clock.ts';
import { isAlive } from '../../support/rota-process.ts';
import { PoolHarness } from './pool-harness.ts';

const hosts = (): string[] =>
  process.getActiveResourcesInfo().filter((name) => /ProcessWrap|Worker|MessagePort/.test(name));
const before = hosts().length;

// Node closes handles some turns after an exit. Bounded: a host that is left fails the test instead of hanging it.
afterEach(() => expect.poll(() => hosts().length, { timeout: 10_000 }).toBeLessThanOrEqual(before));

describe.each(['thread', 'process'] as const)('a %s', (kind) => {
  it('runs the handler that the config has for the type, and tells its outcome', async () => {
    await using at = new PoolHarness(kind);
    const outcome = await at.run('echo', { args: { a: [1] } }).outcome;
    expect(outcome).toMatchObject({
      outcome: 'complete',
      result: { args: { a: [1] }, id: 'job-1', attempt: 3, at: 2, service: 'services of /data', nats: 'none' },
    });
    expect(await at.run('snooze').outcome).toEqual({ outcome: 'snooze', forMs: 300_000 });
    expect(await at.run('throw').outcome).toMatchObject({
      ...{ outcome: 'fail', retryInMs: 7_000, error: { kind: 'error', message: 'TypeError: thrown' } },
    });
    expect(await at.run('unheard-of').outcome).toMatchObject({
      error: { kind: 'error', message: expect.stringContaining(`no handler for the type "${kind}.unheard-of"`) },
    });
  });

  it('is started when first needed, reused, makes its services once, and is replaced after enough attempts', async () => {
    await using at = new PoolHarness(kind, { attemptsMax: 2 });
    expect(at.pool.living).toBe(0);
    const seen: { pid: number; threadId: number; servicesMade: number }[] = [];
    for (let count = 0; count < 3; count += 1) {
      const outcome = await at.run('echo').outcome;
      seen.push((outcome as unknown as { result: (typeof seen)[0] }).result);
    }
    const place = (index: number) => `${seen[index]?.pid} ${seen[index]?.threadId}`;
    expect(place(0)).toBe(place(1));
    expect(place(2)).not.toBe(place(1));
    expect(seen.map(({ servicesMade }) => servicesMade)).toEqual([1, 1, 1]);
    expect(at.pool.living).toBe(1);
  });

  it('is ended when nobody needs it for a while', async () => {
    await using at = new PoolHarness(kind, { idleMs: 0 });
    await at.run('echo').ended;
    while (at.pool.living > 0) await new Promise(setImmediate);
    expect(await at.run('echo').outcome).toMatchObject({ outcome: 'complete' });
  });

  it('relays log, progress and enqueue', async () => {
    await using at = new PoolHarness(kind);
    const attempt = at.run('relay');
    expect(await attempt.outcome).toEqual({
      outcome: 'complete',
      result: { job: { id: 'made' }, refused: { code: 'unknown_type', issues: [{ path: 'type', message: 'no' }] } },
    });
    expect(attempt.journal.lines).toEqual([{ level: 'warn', message: 'a line', fields: { part: 'a', error: {} } }]);
    expect(attempt.progress[0]).toEqual({ done: 1 });
    expect(attempt.progress.at(-1)).toEqual({ done: 3 });
    expect(attempt.enqueued).toEqual([
      ['other', { a: 1 }, { queue: 'elsewhere', priority: 1 }],
      ['refused', undefined, {}],
    ]);
  });

  it('relays the abort signal', async () => {
    await using at = new PoolHarness(kind);
    const attempt = at.run('polite');
    await attempt.journal.says('waiting');
    attempt.abort.abort('stopping');
    expect(await attempt.outcome).toEqual({ outcome: 'complete', result: 'stopping' });
  });

  it('in an infinite loop is killed after its timeout, which is told at once', async () => {
    await using at = new PoolHarness(kind);
    const spinning = at.run('spin', { timeoutMs: 100 });
    const next = at.run('echo', { timeoutMs: 5_000 });
    await spinning.journal.says('spinning');
    const outcome = await spinning.outcome;
    expect(outcome).toEqual({
      ...{ outcome: 'fail', retryInMs: 3_000 },
      error: { kind: 'timeout', message: 'the attempt took longer than its 100 ms' },
    });
    expect(spinning.abort.signal.reason).toBe('timeout');
    expect(await Promise.race([spinning.ended.then(() => 'ended'), 'runs on'])).toBe('runs on');
    await spinning.ended;
    // What waited ran in another one, and its time did not count while it waited.
    expect(await next.outcome).toMatchObject({ outcome: 'complete' });
  });

  it('whose handler returns in time after its timeout is not killed', async () => {
    await using at = new PoolHarness(kind);
    const before = await at.run('echo').outcome;
    const polite = at.run('polite', { timeoutMs: 50 });
    expect(await polite.outcome).toMatchObject({ error: { kind: 'timeout' } });
    await polite.ended;
    const { result } = before as unknown as { result: { pid: number; threadId: number } };
    expect(await at.run('echo').outcome).toMatchObject({ result: { pid: result.pid, threadId: result.threadId } });
  });

  it('can be terminated at once', async () => {
    await using at = new PoolHarness(kind);
    const attempt = at.run('spin');
    await attempt.journal.says('spinning');
    attempt.terminate?.();
    expect(await attempt.outcome).toMatchObject({ outcome: 'fail', error: { kind: 'killed' } });
    await attempt.ended;
    expect(await at.run('echo').outcome).toMatchObject({ outcome: 'complete' });
  });

  it.each([0, 3])('that exits with %i costs its attempt only', async (code) => {
    await using at = new PoolHarness(kind);
    const exiting = at.run('exit', { args: { code } });
    const next = at.run('echo');
    const message = expect.stringMatching(new RegExp(`the ${kind} ended before the handler returned: .*code ${code}`));
    expect(await exiting.outcome).toEqual({ outcome: 'fail', retryInMs: 3_000, error: { kind: 'killed', message } });
    await exiting.ended;
    expect(await next.outcome).toMatchObject({ outcome: 'complete' });
  });

  it.each([
    ['exception', 'uncaught exception: nobody catches this'],
    ['rejection', 'unhandled rejection: nobody awaits this'],
  ])('with an uncaught %s costs its attempt only', async (name, message) => {
    await using at = new PoolHarness(kind);
    const failing = at.run(name);
    const next = at.run('echo');
    expect(await failing.outcome).toMatchObject({
      outcome: 'fail',
      retryInMs: 3_000,
      error: { kind: 'error', message },
    });
    await failing.ended;
    expect(await next.outcome).toMatchObject({ outcome: 'complete' });
  });

  it('keeps what an attempt leaves behind from the next one', async () => {
    await using at = new PoolHarness(kind);
    const leaving = at.run('leave-rejection');
    const next = at.run('polite');
    expect(await leaving.outcome).toMatchObject({ outcome: 'complete', result: 'returned' });
    expect((await at.journal.says('left behind')).fields).toEqual({
      type: `${kind}.leave-rejection`,
      error: expect.any(String),
    });
    await next.journal.says('waiting');
    next.abort.abort('done');
    expect(await next.outcome).toEqual({ outcome: 'complete', result: 'done' });
  });

  it('that what an attempt left behind keeps busy is replaced, and the next attempt runs', async () => {
    const hasty = { ...systemClock, setTimeout: (act: () => void, ms: number) => systemClock.setTimeout(act, ms / 20) };
    await using at = new PoolHarness(kind, { clock: hasty });
    expect(await at.run('leave-spin').outcome).toMatchObject({ outcome: 'complete' });
    expect(await at.run('echo').outcome).toMatchObject({ outcome: 'complete' });
  });

  it('that an abort finds waiting for one hands the attempt back', async () => {
    await using at = new PoolHarness(kind);
    const first = at.run('polite');
    const waiting = at.run('echo');
    await first.journal.says('waiting');
    waiting.abort.abort('stopping');
    expect(await waiting.outcome).toEqual({ outcome: 'release' });
    await waiting.ended;
    first.abort.abort('stopping');
    await first.ended;
  });

  it('that cannot start fails an attempt that waits, and says why', async () => {
    await using at = new PoolHarness(kind, { dataFolder: 'broken' });
    const message = expect.stringContaining(`the ${kind} could not start: unhandled rejection: no services today`);
    expect(await at.run('echo').outcome).toEqual({
      outcome: 'fail',
      retryInMs: 3_000,
      error: expect.objectContaining({ message }),
    });
    await using lost = new PoolHarness(kind, { configFile: '/nowhere/config.ts' });
    expect(await lost.run('echo').outcome).toMatchObject({
      error: { message: expect.stringContaining('/nowhere/config.ts') },
    });
  });

  it('is not left behind by a stop, whatever it does', async () => {
    const at = new PoolHarness(kind, { size: 2 });
    const spinning = at.run('spin');
    const polite = at.run('polite');
    await Promise.all([spinning.journal.says('spinning'), polite.journal.says('waiting')]);
    await at.pool.stop();
    expect(at.pool.living).toBe(0);
    await Promise.all([spinning.ended, polite.ended]);
  });
});

describe('a thread', () => {
  it('out of heap costs its attempt only', async () => {
    await using at = new PoolHarness('thread', { memoryMb: 64 });
    const filling = at.run('fill');
    expect(await filling.outcome).toMatchObject({
      error: { kind: 'killed', message: expect.stringContaining('memory') },
    });
    await filling.ended;
    expect(await at.run('echo').outcome).toMatchObject({ outcome: 'complete' });
  });

  it('stuck in a native call is reported as leaked and replaced; its slot returns when it has really ended', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rota-fifo-'));
    const fifo = join(folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    await using at = new PoolHarness('thread');
    const stuck = at.run('native', { args: { fifo } });
    const writer = await open(fifo, 'w'); // once the reader is in its call
    const next = at.run('echo');
    stuck.terminate?.();
    expect((await at.journal.says('does not end')).fields).toEqual({ leaked: 'thread', type: 'thread.native' });
    expect(await next.outcome).toMatchObject({ outcome: 'complete' });
    expect(await Promise.race([stuck.ended.then(() => 'ended'), 'runs on'])).toBe('runs on');
    expect(at.pool.living).toBe(2);
    await writer.close();
    await stuck.ended;
    await at.journal.says('has ended');
    expect(at.pool.living).toBe(1);
    expect(await at.run('echo').outcome).toMatchObject({ outcome: 'complete' });
    rmSync(folder, { recursive: true });
  });
});

describe('a process', () => {
  it('out of memory costs its attempt only', async () => {
    await using at = new PoolHarness('process', { memoryMb: 64 });
    const filling = at.run('fill');
    expect(await filling.outcome).toMatchObject({
      error: { kind: 'killed', message: expect.stringMatching(/SIGABRT.*FATAL ERROR.*heap out of memory/) },
    });
    await filling.ended;
    expect(await at.run('echo').outcome).toMatchObject({ outcome: 'complete' });
  });

  it.each([
    ['abort', 'SIGABRT'],
    ['segfault', 'SIGSEGV'],
  ])('with a native crash (%s) costs its attempt only', async (name, signal) => {
    await using at = new PoolHarness('process');
    const crashing = at.run(name);
    expect(await crashing.outcome).toMatchObject({
      error: { kind: 'killed', message: expect.stringContaining(signal) },
    });
    await crashing.ended;
    expect(await at.run('echo').outcome).toMatchObject({ outcome: 'complete' });
  });

  it('ends when the node has gone, also in the middle of an infinite loop', async () => {
    const parent = spawn(process.execPath, [fileURLToPath(new URL('./fixtures/parent.ts', import.meta.url))], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [pid] = await once(createInterface({ input: parent.stdout }), 'line');
    expect(isAlive(Number(pid))).toBe(true);
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    while (isAlive(Number(pid))) await new Promise(setImmediate); // nothing tells of the end of a grandchild
  });

  it('has what it prints in the log', async () => {
    await using at = new PoolHarness('process');
    const attempt = at.run('print');
    expect(await attempt.outcome).toEqual({ outcome: 'complete', result: null });
    // What it prints comes through a pipe of its own and may be behind the outcome.
    const line = { level: 'info', message: 'on stdout', fields: { stream: 'stdout' } };
    await expect.poll(() => [...attempt.journal.lines, ...at.journal.lines]).toContainEqual(line);
  });
});
