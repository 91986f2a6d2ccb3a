import { describe, expect, test } from 'vitest';
import { rota } from './fake-world.ts';
import { jobView } from './job-view.ts';

const ID = '019b0000-0000-7000-8000-00000000000a';

/** A fake of one verb that keeps what it was called with. */
function recorded<T>(answer: T): { calls: unknown[][]; verb: (...args: unknown[]) => Promise<T> } {
  const calls: unknown[][] = [];
  const verb = async (...args: unknown[]): Promise<T> => {
    calls.push(args);
    return answer;
  };
  return { calls, verb };
}

describe('rota jobs VERB', () => {
  test.each(['cancel', 'retry', 'delete'] as const)('%s is done to one, or to those of a filter', async (verb) => {
    const one = recorded(jobView({ id: ID, state: 'cancelled' }));
    // A fake answers the same to an id and to a filter.
    const client = (fake: { verb: unknown }) => ({ [verb]: fake.verb }) as object;
    const done = await rota(['jobs', verb, ID.toUpperCase()], { client: client(one) });
    expect(done).toMatchObject({ code: 0, stdout: `${ID} ${verb === 'delete' ? 'deleted' : 'cancelled'}\n` });
    expect(one.calls[0]?.[0]).toBe(ID);
    const many = recorded({ count: 3 });
    const argv = ['jobs', verb, '--queue', 'mail', '--state', 'available,retryable'];
    expect((await rota(argv, { client: client(many) })).stdout).toMatch(/^3 jobs /);
    expect(many.calls[0]?.[0]).toEqual({ queue: 'mail', state: ['available', 'retryable'] });
    expect((await rota([...argv, '--json'], { client: client(many) })).stdout).toBe('{"count":3}\n');
  });

  test.each(['cancel', 'retry', 'delete'])('%s without id and filter, or with both, does nothing', async (verb) => {
    for (const rest of [[], [ID, '--queue', 'mail'], ['no-id']]) {
      const { code, stderr, world } = await rota(['jobs', verb, ...rest]);
      expect(code).toBe(2);
      expect(stderr).not.toBe('');
      expect(world.connects).toEqual([]);
    }
  });

  test('cancel --terminate', async () => {
    const { calls, verb } = recorded(jobView({ id: ID }));
    await rota(['jobs', 'cancel', ID, '--terminate'], { client: { cancel: verb as never } });
    expect(calls).toEqual([[ID, { terminate: true }]]);
  });

  test('update changes what its flags say, and wants something to change', async () => {
    const { calls, verb } = recorded(jobView({ id: ID, state: 'scheduled' }));
    const argv = ['jobs', 'update', ID, '--priority', 'high', '--args', '{"a":1}', '--tag', 'x', '--tag', 'y'];
    const more = ['--scheduled-at', '2026-02-01T00:00:00Z', '--max-attempts', '3', '--queue', 'q', '--meta', '{"m":1}'];
    const { stdout } = await rota([...argv, ...more], { client: { update: verb as never } });
    expect(stdout).toBe(`${ID} scheduled\n`);
    const changes = { priority: 'high', args: { a: 1 }, tags: ['x', 'y'], maxAttempts: 3, queue: 'q', meta: { m: 1 } };
    expect(calls).toEqual([[ID, { ...changes, scheduledAt: '2026-02-01T00:00:00Z' }]]);
    for (const rest of [[], ['--scheduled-at', 'soon'], ['--priority', 'urgent'], ['--args', '{'], ['--meta', '[]']]) {
      expect((await rota(['jobs', 'update', ID, ...rest])).code).toBe(2);
    }
  });
});

describe('rota queues VERB', () => {
  const queue = {
    ...{ name: 'mail', limit: 5, globalLimit: 9, rate: { limit: 100, period: 60_000 }, paused: true, nodes: ['n'] },
    ...{ partition: { by: 'args.t', limit: 2 }, counts: { executing: 1, available: 7 }, scope: 'all' },
  };
  const run = async (words: string[], answer: object = queue) => {
    const { calls, verb } = recorded(answer);
    const result = await rota(['queues', ...words], { client: { queues: { [words[0] ?? '']: verb } } });
    return { ...result, calls };
  };

  test.each<[string[], unknown[]]>([
    [
      ['pause', 'mail'],
      ['mail', {}],
    ],
    [
      ['pause', 'mail', '--wait', '30s'],
      ['mail', { waitMs: 30_000 }],
    ],
    [['resume', 'mail'], ['mail']],
    [
      ['scale', 'mail', '0'],
      ['mail', 0, {}],
    ],
    [
      ['scale', 'mail', '7', '--node', 'n'],
      ['mail', 7, { node: 'n' }],
    ],
    [
      ['scale', 'mail', 'off'],
      ['mail', null, {}],
    ],
    [
      ['limit', 'mail', '--global', '9', '--rate', '100/1m'],
      ['mail', { globalLimit: 9, rate: { limit: 100, period: 60_000 } }],
    ],
    [
      ['limit', 'mail', '--partition', 'args.t:2'],
      ['mail', { partition: { by: 'args.t', limit: 2 } }],
    ],
    [
      ['limit', 'mail', '--global', 'off', '--rate', 'off'],
      ['mail', { globalLimit: null, rate: null }],
    ],
  ])('%j', async (words, sent) => {
    const { calls, code, stdout } = await run(words);
    expect(calls).toEqual([sent]);
    expect(code).toBe(0);
    expect(stdout).toBe(
      'mail: paused, limit 5, 9 over all nodes, 100 in 1m, 2 for each args.t, 1 executing, 7 available\n',
    );
    expect(JSON.parse((await run([...words, '--json'])).stdout)).toEqual(queue);
  });

  test('a pause that was not quiet in time is exit code 1', async () => {
    const { code, stdout } = await run(['pause', 'mail', '--wait', '1s'], { ...queue, timedOut: true });
    expect(code).toBe(1);
    expect(stdout).toContain('not quiet yet');
  });

  test('purge tells how many', async () => {
    expect(await run(['purge', 'mail'], 1 as never)).toMatchObject({
      stdout: '1 job deleted\n',
      calls: [['mail', {}]],
    });
    const some = await run(['purge', 'mail', '--state', 'completed,discarded', '--json'], 4 as never);
    expect(some).toMatchObject({ stdout: '{"count":4}\n', calls: [['mail', { states: ['completed', 'discarded'] }]] });
  });

  test.each([
    [['pause']],
    [['pause', 'mail', '--wait', '2m']],
    [['pause', 'mail', '--wait', 'long']],
    [['scale', 'mail']],
    [['scale', 'mail', '-1']],
    [['scale', 'mail', 'many']],
    [['limit', 'mail']],
    [['limit', 'mail', '--rate', '100']],
    [['limit', 'mail', '--rate', '0/1m']],
    [['limit', 'mail', '--partition', 'args.t']],
    [['pasue', 'mail']],
  ])('%j is refused before anything is sent', async (words) => {
    const { code, world } = await run(words);
    expect(code).toBe(2);
    expect(world.connects).toEqual([]);
  });

  test('a mistyped verb is told with the right one', async () => {
    expect((await rota(['queues', 'pasue', 'mail'])).stderr).toContain('did you mean "pause"?');
  });
});

describe('rota schedules VERB', () => {
  const schedule = {
    ...{ name: 'nightly', spec: { cron: '0 3 * * *' }, nextAt: '2026-01-31T10:12:00.000Z', pausedBy: null },
    ...{ job: { type: 'a', args: { to: 'b', more: {} } }, maxRuns: null },
  };
  const run = async (words: string[], answer: unknown = schedule, stdin = '') => {
    const { calls, verb } = recorded(answer);
    const result = await rota(['schedules', ...words], { client: { schedules: { [words[0] ?? '']: verb } }, stdin });
    return { ...result, calls };
  };

  test.each(['pause', 'resume'])('%s', async (verb) => {
    const { calls, stdout } = await run([verb, 'nightly']);
    expect(calls).toEqual([['nightly']]);
    expect(stdout).toBe('nightly: next 2026-01-31 10:12:00Z (in 12m)\n');
    const paused = await run([verb, 'nightly'], { ...schedule, pausedBy: 'operator', nextAt: null });
    expect(paused.stdout).toBe('nightly: paused by operator\n');
    expect(JSON.parse((await run([verb, 'nightly', '--json'])).stdout)).toEqual(schedule);
  });

  test('run tells the job', async () => {
    const job = jobView({ id: ID, state: 'available' });
    expect(await run(['run', 'nightly', '--id', ID], job)).toMatchObject({
      ...{ stdout: `${ID} available\n`, calls: [['nightly', { id: ID }]] },
    });
    expect((await run(['run', 'nightly', '--id', 'x'], job)).code).toBe(2);
  });

  test('delete', async () => {
    expect(await run(['delete', 'nightly'], undefined)).toMatchObject({ code: 0, stdout: 'nightly deleted\n' });
  });

  test('get shows all that has a value, and what it writes as JSON may be put back', async () => {
    const shown = await run(['get', 'nightly']);
    expect(shown.stdout).toContain('spec        {"cron":"0 3 * * *"}\n');
    expect(shown.stdout).not.toContain('maxRuns');
    const { stdout } = await run(['get', 'nightly', '--json']);
    expect((await run(['put', '-'], schedule, stdout)).calls).toEqual([[schedule]]);
    expect((await run(['put', JSON.stringify(schedule)])).calls).toEqual([[schedule]]);
    for (const text of ['[]', '{']) expect((await run(['put', text])).code).toBe(2);
  });

  test.each<[string[], object]>([
    [['0 3 * * *'], { spec: { cron: '0 3 * * *' } }],
    [['every 5m', '--count', '3'], { spec: { every: '5m' }, count: 3 }],
    [['at 2027-01-01T00:00:00Z', '--timezone', 'UTC'], { spec: { at: '2027-01-01T00:00:00Z' }, timezone: 'UTC' }],
    [
      ['@daily', '--dst-gap', 'skip', '--day-match', 'both'],
      { spec: { cron: '@daily' }, dst: { gap: 'skip' }, dayMatch: 'both' },
    ],
  ])('preview %j', async (words, query) => {
    const { calls, stdout } = await run(['preview', ...words], ['2026-02-01T03:00:00.000Z']);
    expect(calls).toEqual([[query]]);
    expect(stdout).toBe('2026-02-01T03:00:00.000Z\n');
  });
});

test('rota rejected is a table', async () => {
  const entry = { at: '2026-01-31T09:58:00.000Z', queue: 'mail', msgId: null, code: 'not_found', message: 'no queue' };
  const { stdout } = await rota(['rejected'], { client: { rejected: { list: async () => [entry] } } });
  expect(stdout.split('\n')).toEqual([
    'AT      QUEUE  MESSAGE ID  CODE       WHY',
    '2m ago  mail               not_found  no queue',
    '',
  ]);
  const none = await rota(['rejected'], { client: { rejected: { list: async () => [] } } });
  expect(none).toMatchObject({ code: 0, stdout: '', stderr: 'nothing was rejected\n' });
});
