import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as realSleep } from 'node:timers/promises';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { cancel, constant, cron, defineJob, defineScheduler, discard, every, type Json, snooze } from 'rota';
import { testRota } from 'rota/testing';
import { describe, expect, it } from 'vitest';

// Written as a user's own tests: only the public doors are imported.

const addressed: StandardSchemaV1<unknown, { to: string }> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => {
      const { to } = Object(value) as { to?: unknown };
      return typeof to === 'string' ? { value: { to } } : { issues: [{ message: 'must be a text', path: ['to'] }] };
    },
  },
};

interface Mailer {
  send(to: string): Promise<string>;
}

const mail = defineJob({
  type: 'mail.send',
  args: addressed,
  maxAttempts: 3,
  backoff: constant({ base: '1m', jitter: 0 }),
  async run({ args, job, log, progress, services }) {
    const mailer: Mailer = services.mailer;
    progress({ attempt: job.attempt });
    const receipt = await mailer.send(args.to);
    log.info({ to: args.to }, 'sent');
    return { receipt };
  },
});

const welcome = defineJob({
  type: 'user.welcome',
  async run({ args, enqueue }) {
    const { to } = args as { to: string };
    await enqueue(mail, { to });
    await enqueue(mail, { to }, { scheduleIn: '7d', tags: ['Reminder'], meta: { campaign: 'spring', step: 2 } });
  },
});

const config = defineScheduler({ queues: { default: 2 }, jobs: [mail, welcome] });

/** A mailer that fails so many times. */
function mailer(failures = 0) {
  const sent: string[] = [];
  let left = failures;
  return {
    sent,
    send: async (to: string) => {
      if (left-- > 0) throw new TypeError('no route to the mail host');
      sent.push(to);
      return `receipt ${sent.length}`;
    },
  };
}

describe('perform', () => {
  it('runs a handler alone and tells all that it did', async () => {
    await using rota = await testRota(config, { services: { mailer: mailer() } });
    const done = await rota.perform(mail, { to: 'ada@example.org' });
    expect(done).toEqual({
      outcome: 'complete',
      result: { receipt: 'receipt 1' },
      progress: [{ attempt: 1 }],
      logs: [{ level: 'info', message: 'sent', fields: { to: 'ada@example.org' } }],
    });
    expect(rota.events.filter(({ type }) => type.startsWith('jobs.job.'))).toEqual([]);
  });

  it('tells a failure as the queue would, and what was thrown', async () => {
    await using rota = await testRota(config, { services: { mailer: mailer(1) } });
    const done = await rota.perform('mail.send', { to: 'ada@example.org' }, { attempt: 2 });
    expect(done).toMatchObject({
      outcome: 'fail',
      error: { kind: 'error', message: 'TypeError: no route to the mail host' },
      progress: [{ attempt: 2 }],
    });
    expect(done.thrown).toBeInstanceOf(TypeError);
  });

  it('checks the args by the schema of the type first', async () => {
    const post = mailer();
    await using rota = await testRota(config, { services: { mailer: post } });
    await expect(rota.perform(mail, { to: 7 })).rejects.toMatchObject({
      code: 'invalid_args',
      issues: [{ path: 'args.to', message: 'must be a text' }],
    });
    await expect(rota.perform(welcome, { at: new Map() })).rejects.toMatchObject({ code: 'invalid_args' });
    await expect(rota.perform('mail.receive')).rejects.toMatchObject({ code: 'unknown_type' });
    expect(post.sent).toEqual([]);
  });

  it('lets what the handler enqueues wait', async () => {
    await using rota = await testRota(config, { services: { mailer: mailer() } });
    await rota.perform(welcome, { to: 'ada@example.org' });
    expect(await rota.enqueued({ type: mail, args: { to: 'ada@example.org' } })).toHaveLength(2);
    expect(await rota.enqueued({ tags: ['reminder'], meta: { campaign: 'spring' } })).toHaveLength(1);
    expect(await rota.enqueued({ meta: { campaign: 'autumn' } })).toEqual([]);
    expect(await rota.enqueued({ type: 'mail.send', state: 'scheduled' })).toMatchObject([
      { scheduledAt: '2026-01-08T00:00:00.000Z' },
    ]);
  });

  it('tells directives and a time-out, in no real time', async () => {
    const later = defineJob({ type: 'later', run: () => snooze('5m') });
    const never = defineJob({ type: 'never', run: () => cancel('nobody wants it') });
    const slow = defineJob({ type: 'slow', timeout: '1h', run: () => new Promise(() => {}) });
    const given = defineJob({ type: 'given', run: ({ services, job }) => ({ ...services, tags: job.tags }) as object });
    await using rota = await testRota({ jobs: [later, never, slow, given] }, { services: { a: 1, b: 1 } });
    expect(await rota.perform(later)).toMatchObject({ outcome: 'snooze', forMs: 300_000 });
    expect(await rota.perform(never)).toMatchObject({ outcome: 'cancel', reason: 'nobody wants it' });
    expect(await rota.perform(slow)).toMatchObject({ outcome: 'fail', error: { kind: 'timeout' } });
    expect(await rota.perform(given, {}, { services: { b: 2 }, tags: ['x'] })).toMatchObject({
      result: { a: 1, b: 2, tags: ['x'] },
    });
  });
});

describe('drain', () => {
  it('runs what is due, and what that enqueues, and nothing that is not due', async () => {
    const post = mailer();
    await using rota = await testRota(config, { services: { mailer: post } });
    const { id } = await rota.enqueue(welcome, { to: 'ada@example.org' });
    expect((await rota.job(id)).state).toBe('available');
    expect(post.sent).toEqual([]);
    expect(await rota.drain()).toEqual({
      ...{ completed: 2, retryable: 0, snoozed: 0, cancelled: 0, discarded: 0, released: 0 },
    });
    expect(post.sent).toEqual(['ada@example.org']);
    expect(await rota.enqueued()).toMatchObject([{ state: 'scheduled', type: 'mail.send', tags: ['reminder'] }]);
  });

  it('runs what is scheduled too when it is told to, at its time', async () => {
    const post = mailer();
    await using rota = await testRota(config, { services: { mailer: post }, now: '2026-03-01T12:00:00Z' });
    await rota.enqueue(welcome, { to: 'ada@example.org' });
    expect(await rota.drain({ withScheduled: true })).toMatchObject({ completed: 3 });
    expect(post.sent).toHaveLength(2);
    expect(new Date(rota.clock.now()).toISOString()).toBe('2026-03-08T12:00:00.000Z');
  });

  it('runs many jobs, however many were enqueued before', async () => {
    const small = defineJob({ type: 'small', run: () => null });
    await using rota = await testRota({ jobs: [small] });
    for (let n = 0; n < 1_500; n += 1) await rota.enqueue(small, { n });
    expect(await rota.enqueued()).toHaveLength(1_500);
    expect(await rota.drain()).toMatchObject({ completed: 1_500 });
  });

  it('counts each way in which an attempt ends', async () => {
    const ends = defineJob({
      type: 'ends',
      maxAttempts: 2,
      run: ({ args }) => {
        const { how } = args as { how: string };
        if (how === 'snooze') return snooze('1h');
        if (how === 'cancel') return cancel('no');
        if (how === 'discard') return discard('no');
        if (how === 'fail') throw new Error('no');
        return how;
      },
    });
    await using rota = await testRota({ jobs: [ends] });
    for (const how of ['complete', 'snooze', 'cancel', 'discard', 'fail']) await rota.enqueue(ends, { how });
    await rota.enqueue(ends, { how: 'fail' }, { maxAttempts: 1 });
    expect(await rota.drain()).toEqual({
      ...{ completed: 1, snoozed: 1, cancelled: 1, discarded: 2, retryable: 1, released: 0 },
    });
    expect(await rota.enqueued({ state: 'retryable' })).toMatchObject([{ attempt: 1, errors: [{ message: 'no' }] }]);
  });

  it('runs a handler that is isolated elsewhere in the process of the test', async () => {
    const seen: string[] = [];
    const apart = defineJob({ type: 'apart', isolation: 'thread', run: () => void seen.push('here') });
    await using rota = await testRota({ jobs: [apart] });
    await rota.enqueue(apart);
    expect(await rota.drain()).toMatchObject({ completed: 1 });
    expect(seen).toEqual(['here']);
  });

  it('runs one queue alone', async () => {
    const note = defineJob({ type: 'note', queue: 'b', run: () => null });
    await using rota = await testRota({ queues: { a: 1, b: 1 }, jobs: [note] });
    await rota.enqueue(note, {}, { queue: 'a' });
    await rota.enqueue(note);
    expect(await rota.drain({ queue: 'b' })).toMatchObject({ completed: 1 });
    expect(await rota.enqueued()).toMatchObject([{ queue: 'a', state: 'available' }]);
    expect(await rota.drain()).toMatchObject({ completed: 1 });
  });

  it('waits for handlers that wait for something real, and keeps to the limit of the queue', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'rota-kit-'));
    let running = 0;
    let most = 0;
    const copy = defineJob({
      type: 'copy',
      async run({ args }) {
        const { n } = args as { n: number };
        most = Math.max(most, ++running);
        await writeFile(join(folder, `${n}`), `text ${n}`);
        await realSleep(30);
        const text = await readFile(join(folder, `${n}`), 'utf8');
        running -= 1;
        return text;
      },
    });
    await using rota = await testRota({ queues: { default: 2 }, jobs: [copy] });
    const jobs = await Promise.all([1, 2, 3, 4, 5].map((n) => rota.enqueue(copy, { n })));
    expect(await rota.drain()).toMatchObject({ completed: 5 });
    expect(most).toBe(2);
    expect((await rota.job(jobs[4]?.id ?? '')).result).toBe('text 5');
    await rm(folder, { recursive: true });
  });

  it('says which handler never ends', async () => {
    const deaf = defineJob({ type: 'deaf', run: () => new Promise(() => {}) });
    await using rota = await testRota({ jobs: [deaf] });
    const { id } = await rota.enqueue(deaf);
    await expect(rota.drain()).rejects.toThrow(`the handler of "deaf" (job ${id}, attempt 1) has not ended`);
    await expect(rota.advance('1m')).rejects.toThrow('waits for nothing');
    await expect(rota.perform(deaf)).rejects.toThrow('the handler of "deaf"');
  });

  it('says which handler waits for something real for too long', async () => {
    const far = defineJob({ type: 'far', run: ({ signal }) => realSleep(20_000, undefined, { signal }) });
    await using rota = await testRota({ jobs: [far] }, { patienceMs: 40 });
    await rota.enqueue(far);
    await expect(rota.drain()).rejects.toThrow('after `patienceMs`');
  });

  it('leaves a running handler alone when it is told to, so that it can be cancelled', async () => {
    const reasons: unknown[] = [];
    const waits = defineJob({
      type: 'waits',
      run: ({ signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(reasons.push(signal.reason)));
        }),
    });
    await using rota = await testRota({ jobs: [waits] });
    const { id } = await rota.enqueue(waits);
    await rota.drain({ leaveRunning: true });
    expect((await rota.job(id)).state).toBe('executing');
    await rota.client.cancel(id);
    await rota.drain();
    expect((await rota.job(id)).state).toBe('cancelled');
    expect(reasons).toEqual(['cancelled']);
  });

  it('refuses to run a job that comes back at once for ever', async () => {
    const again = defineJob({ type: 'again', run: () => snooze(0) });
    await using rota = await testRota({ jobs: [again] });
    await rota.enqueue(again);
    await expect(rota.drain()).rejects.toThrow('always one more job');
  });

  it('refuses to run jobs that make each other for ever', async () => {
    const ping = defineJob({ type: 'ping', run: ({ enqueue }) => enqueue('ping').then(() => null) });
    await using rota = await testRota({ jobs: [ping] });
    await rota.enqueue(ping);
    await expect(rota.drain({ attemptsMax: 100 })).rejects.toThrow('always one more job');
    expect(await rota.client.count({ type: 'ping', state: 'completed' })).toMatchObject({ total: 101 });
  });
});

describe('advance', () => {
  it('runs retries at their times until the job succeeds', async () => {
    const post = mailer(2);
    await using rota = await testRota(config, { services: { mailer: post } });
    const { id } = await rota.enqueue(mail, { to: 'ada@example.org' });
    expect(await rota.drain()).toMatchObject({ retryable: 1 });
    expect(await rota.advance('59s')).toMatchObject({ retryable: 0 });
    expect(await rota.advance('1s')).toMatchObject({ retryable: 1 });
    expect(await rota.advance('1m')).toMatchObject({ completed: 1 });
    expect(await rota.job(id)).toMatchObject({
      state: 'completed',
      attempt: 3,
      finishedAt: '2026-01-01T00:02:00.000Z',
      errors: [{ at: '2026-01-01T00:00:00.000Z' }, { at: '2026-01-01T00:01:00.000Z' }],
    });
  });

  it('runs a snoozed job again, its attempt handed back', async () => {
    const runs: number[] = [];
    const poll = defineJob({
      type: 'poll',
      run: ({ job }) => (runs.push(job.attempt) < 3 ? snooze('5m') : 'there it is'),
    });
    await using rota = await testRota({ jobs: [poll] });
    const { id } = await rota.enqueue(poll);
    expect(await rota.advance('1h')).toMatchObject({ snoozed: 2, completed: 1 });
    expect(runs).toEqual([1, 1, 1]);
    expect(await rota.job(id)).toMatchObject({ result: 'there it is', finishedAt: '2026-01-01T00:10:00.000Z' });
  });

  it('fires schedules at their times', async () => {
    const seen: string[] = [];
    const report = defineJob({
      type: 'report',
      run: ({ job, args }) =>
        void seen.push(`${new Date(job.schedule?.at ?? 0).toISOString()} ${JSON.stringify(args)}`),
    });
    const nightly = defineScheduler({
      timezone: 'Europe/Berlin',
      schedules: { nightly: cron('30 2 * * *', report, { args: { kind: 'daily' } }) },
    });
    await using rota = await testRota(nightly, { now: '2026-03-27T12:00:00Z' });
    expect(await rota.advance('3d')).toMatchObject({ completed: 3 });
    // The clocks go forward in the night of the 29th: 02:30 does not exist and 03:00 stands for it.
    expect(seen).toEqual([
      '2026-03-28T01:30:00.000Z {"kind":"daily"}',
      '2026-03-29T01:00:00.000Z {"kind":"daily"}',
      '2026-03-30T00:30:00.000Z {"kind":"daily"}',
    ]);
  });

  it('fires what was put and what is changed at run time', async () => {
    const beat = defineJob({ type: 'beat', run: () => null });
    await using rota = await testRota({ jobs: [beat] });
    await rota.client.schedules.put({ name: 'pulse', spec: { every: '10m' }, job: { type: beat } });
    expect(await rota.advance('1h')).toMatchObject({ completed: 6 });
    await rota.client.schedules.pause('pulse');
    expect(await rota.advance('1d')).toMatchObject({ completed: 0 });
    await rota.client.schedules.resume('pulse');
    expect(await rota.advance('1h')).toMatchObject({ completed: 6 });
  });

  it('takes a month of a daily schedule in no time', async () => {
    const runs: number[] = [];
    const tidy = defineJob({ type: 'tidy', run: ({ job }) => runs.push(job.scheduledAt) });
    await using rota = await testRota({ schedules: { tidy: cron('0 4 * * *', tidy) } });
    const beganMs = performance.now();
    expect(await rota.advance('31d')).toMatchObject({ completed: 31 });
    expect(performance.now() - beganMs).toBeLessThan(1_500);
    expect(runs).toHaveLength(31);
  });

  it('lets a handler that sleeps by the clock of the test sleep as long as the test says', async () => {
    const nap = defineJob({
      type: 'nap',
      run: async ({ services }) => {
        await new Promise<void>((resolve) => services.clock.setTimeout(resolve, 90_000));
        return services.clock.now();
      },
    });
    await using rota = await testRota({ jobs: [nap] }, { services: ({ clock }) => ({ clock }), now: 0 });
    const { id } = await rota.enqueue(nap);
    await rota.drain();
    expect((await rota.job(id)).state).toBe('executing');
    await rota.advance('1h');
    expect(await rota.job(id)).toMatchObject({ state: 'completed', result: 90_000 });
  });

  it('ends an attempt at its time-out', async () => {
    const aborted: unknown[] = [];
    const slow = defineJob({
      type: 'slow',
      timeout: '30s',
      maxAttempts: 2,
      backoff: () => '10s',
      run: ({ signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(aborted.push(signal.reason)));
        }),
    });
    await using rota = await testRota({ jobs: [slow] });
    const { id } = await rota.enqueue(slow);
    expect(await rota.advance('29s')).toMatchObject({ retryable: 0 });
    expect(await rota.advance('1s')).toMatchObject({ retryable: 1 });
    expect(await rota.advance('1h')).toMatchObject({ discarded: 1 });
    expect(aborted).toEqual(['timeout', 'timeout']);
    expect(await rota.job(id)).toMatchObject({ state: 'discarded', finishedAt: '2026-01-01T00:01:10.000Z' });
  });

  it('wakes whoever waits for a job', async () => {
    await using rota = await testRota(config, { services: { mailer: mailer() } });
    const { id } = await rota.enqueue(mail, { to: 'ada@example.org' }, { scheduleIn: '20s' });
    const waiting = rota.client.wait(id);
    await rota.advance('1m');
    expect((await waiting).result).toEqual({ receipt: 'receipt 1' });
  });

  it('refuses what is no duration', async () => {
    await using rota = await testRota(config, { services: {} });
    // @ts-expect-error: a plain text is none
    await expect(rota.advance('soon')).rejects.toMatchObject({ code: 'invalid_request' });
  });
});

describe('a run', () => {
  const flaky = defineJob({
    type: 'flaky',
    run: ({ job }) => {
      if (job.attempt < 3) throw new Error(`attempt ${job.attempt}`);
      return job.id as Json;
    },
  });

  async function story(seed: number): Promise<string[]> {
    await using rota = await testRota(
      { jobs: [flaky], schedules: { often: every('7m', flaky) }, queues: { default: 3 } },
      { seed },
    );
    for (let n = 0; n < 5; n += 1) await rota.enqueue(flaky, { n });
    await rota.advance('1h');
    return rota.events.map(({ id, type, time, data }) => `${time} ${type} ${id} ${JSON.stringify(data)}`);
  }

  it('is the same for the same seed, to the id and the millisecond, and another for another', async () => {
    const [one, same, other] = [await story(7), await story(7), await story(8)];
    expect(one.length).toBeGreaterThan(50);
    expect(same).toEqual(one);
    expect(other).not.toEqual(one);
  });
});

describe('a stop', () => {
  it('closes the services that were made for the test, and takes no real time', async () => {
    const closed: string[] = [];
    const services = async ({ dataFolder }: { dataFolder: string }) => ({
      dataFolder,
      close: () => void closed.push(dataFolder),
    });
    const hang = defineJob({ type: 'hang', run: () => new Promise(() => {}) });
    const rota = await testRota({ services, jobs: [hang] });
    await writeFile(
      join(
        (await rota.perform(defineJob({ type: 'a', run: ({ services: s }) => s.dataFolder }))).result as string,
        'f',
      ),
      '',
    );
    await rota.enqueue(hang);
    await rota.drain({ leaveRunning: true });
    await rota.stop();
    await rota.stop();
    expect(closed).toHaveLength(1);
    await expect(readFile(join(closed[0] ?? '', 'f'))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(rota.enqueue(hang)).rejects.toMatchObject({ code: 'closed' });
  });

  it('tells mistakes of a config as start does', async () => {
    await expect(testRota({ queues: { 'a b': 0 } })).rejects.toMatchObject({ code: 'invalid_config' });
    const broken = () => Promise.reject(new Error('no database'));
    await expect(testRota(config, { services: broken })).rejects.toThrow('no database');
  });
});

describe('values of a program', () => {
  const at = new Date('2026-03-01T00:00:00Z');
  const told = defineJob({
    type: 'told',
    async run({ args, progress, enqueue }) {
      progress({ note: undefined, at } as never);
      await enqueue('kept', { cc: undefined, at, from: args });
      return { none: undefined, at };
    },
  });
  const kept = defineJob({ type: 'kept', queue: 'elsewhere' });
  const json = { at: at.toISOString() };
  const values = defineScheduler({ queues: { default: 1, elsewhere: 1 }, jobs: [told, kept] });

  it('are kept as JSON has them: args, progress, results, alone and on a node', async () => {
    await using rota = await testRota(values);
    expect(await rota.perform(told, { cc: undefined, at })).toMatchObject({ result: json, progress: [json] });
    const { id, job } = await rota.enqueue(told, { cc: undefined, at });
    expect(job.args).toStrictEqual(json);
    await rota.drain();
    expect(await rota.job(id)).toMatchObject({ result: json, progress: json });
    const [first, second] = await rota.enqueued({ type: kept });
    expect([first?.args, second?.args]).toStrictEqual([
      { ...json, from: json },
      { ...json, from: json },
    ]);
  });

  it('that are no JSON are refused where a handler sends them, and its progress is missed aloud', async () => {
    const odd = defineJob({
      type: 'odd',
      run: async ({ progress, enqueue }) => {
        progress({ count: Number.NaN });
        progress('x'.repeat(4_097));
        return enqueue('kept', { call: () => 1 } as never).catch(({ code, issues }) => ({ code, issues }));
      },
    });
    await using rota = await testRota(defineScheduler({ queues: { default: 1, elsewhere: 1 }, jobs: [odd, kept] }));
    const { id } = await rota.enqueue(odd);
    await rota.drain();
    const { result, progress } = await rota.job(id);
    expect(result).toMatchObject({ code: 'invalid_args', issues: [{ path: 'args.call' }] });
    expect(progress).toBeNull();
    const warned = rota.logs.filter(({ level, message }) => level === 'warn' && message === 'progress was not kept');
    expect(warned.map(({ fields }) => String(fields.error).split(' ')[0])).toEqual(['progress.count', 'progress']);
  });
});
