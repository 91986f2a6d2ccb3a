import { describe, expect, test } from 'vitest';
import type { CliClient } from '../../../src/cli/cli-world.ts';
import { enqueueOptions } from '../../../src/cli/enqueue.ts';
import { UsageError } from '../../../src/cli/usage-error.ts';
import { JobFailed } from '../../../src/client/client.ts';
import { rota } from './fake-world.ts';
import { jobView } from './job-view.ts';

const ID = '019b0000-0000-7000-8000-00000000000a';

describe('the options of an enqueue', () => {
  test('are read from every flag', () => {
    const options = enqueueOptions({
      ...{ id: ID.toUpperCase(), priority: 'high', 'schedule-in': '5m', 'max-attempts': '3', tag: ['a', 'b'] },
      ...{ meta: '{"x":1}', reference: 'file_upload:42:7' },
    });
    expect(options).toEqual({
      ...{ id: ID, priority: 'high', scheduleIn: 300_000, maxAttempts: 3, tags: ['a', 'b'], meta: { x: 1 } },
      reference: { type: 'file_upload', id: '42:7' },
    });
    expect(enqueueOptions({ priority: '0', 'scheduled-at': '2026-01-31T10:00:00Z' })).toEqual({
      priority: 0,
      scheduledAt: '2026-01-31T10:00:00Z',
    });
    expect(enqueueOptions({})).toEqual({});
  });

  test.each([
    [{ id: 'x' }, '--id x is no UUIDv7'],
    [{ priority: '10' }, '--priority 10 is none'],
    [{ 'schedule-in': '300' }, '--schedule-in 300 is no duration'],
    [{ 'scheduled-at': '2026-02-30T10:00:00Z' }, 'is no time'],
    [{ 'schedule-in': '5m', 'scheduled-at': '2026-01-31T10:00:00Z' }, 'exclude each other'],
    [{ 'max-attempts': '1001' }, 'out of range'],
    [{ meta: '[1]' }, '--meta is no JSON object'],
    [{ meta: '{' }, 'the text of --meta is no JSON'],
    [{ reference: 'upload' }, 'write it as TYPE:ID'],
  ])('%j is refused', (flags, message) => {
    expect(() => enqueueOptions(flags)).toThrow(UsageError);
    try {
      enqueueOptions(flags);
    } catch (error) {
      expect(error instanceof UsageError ? `${error.message} ${error.hint}` : '').toContain(message);
    }
  });
});

describe('rota enqueue', () => {
  /** A client that knows one type and remembers what it was given. */
  function client(over: Partial<CliClient> = {}): { calls: unknown[][]; client: Partial<CliClient> } {
    const calls: unknown[][] = [];
    const job = jobView();
    const enqueue: CliClient['enqueue'] = async (...call) => {
      calls.push(call);
      return { id: ID, job, conflict: false };
    };
    const types = async () => [{ type: 'email.send', queue: 'mail' }];
    const nodes = { types, list: async () => [], tree: async () => ({}) };
    return { calls, client: { enqueue, nodes, ...over } };
  }

  test('sends a job to the queue of its type, and writes its id and state', async () => {
    const fake = client();
    const { code, stdout, world } = await rota(['enqueue', 'email.send', '{"to":"a"}', '--tag', 'x'], fake);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${ID} available\n` });
    expect(fake.calls).toEqual([['email.send', { to: 'a' }, { tags: ['x'], queue: 'mail' }]]);
    expect(world.closed).toBe(true);
  });

  test('takes the queue that is named, and default for a type that nobody declares', async () => {
    const fake = client();
    await rota(['enqueue', 'email.send', '--queue', 'other'], fake);
    await rota(['enqueue', 'unheard.of'], fake);
    expect(fake.calls.map(([, args, options]) => [args, options])).toEqual([
      [undefined, { queue: 'other' }],
      [undefined, { queue: 'default' }],
    ]);
  });

  test('reads args from standard input', async () => {
    const fake = client();
    await rota(['enqueue', 'email.send', '-'], { ...fake, stdin: '[1,\n2]\n' });
    expect(fake.calls[0]?.[1]).toEqual([1, 2]);
  });

  test('writes the reply with --json', async () => {
    const { stdout } = await rota(['enqueue', 'email.send', '--json'], client());
    expect(JSON.parse(stdout)).toEqual({ job: jobView(), conflict: false });
  });

  test('waits as long as it takes, and writes the result', async () => {
    const waits: unknown[] = [];
    const wait: CliClient['wait'] = async (...call) => {
      waits.push(call);
      return jobView({ state: 'completed', result: { sent: true } });
    };
    const done = await rota(['enqueue', 'email.send', '--wait'], client({ wait }));
    expect(done).toMatchObject({ code: 0, stdout: `${ID} completed\n{"sent":true}\n` });
    await rota(['enqueue', 'email.send', '--wait-timeout', '2s'], client({ wait }));
    expect(waits[1]).toEqual([ID, { timeoutMs: 2_000 }]);
  });

  test('fails when the job that it waits for does not complete, and shows it all the same', async () => {
    const errors = [{ at: '2026-01-31T10:00:00.000Z', attempt: 1, kind: 'error' as const, message: 'no way' }];
    const wait = () => Promise.reject(new JobFailed(jobView({ state: 'discarded', errors })));
    const failed = await rota(['enqueue', 'email.send', '--wait', '--json'], client({ wait }));
    expect(failed.code).toBe(1);
    expect(JSON.parse(failed.stdout).state).toBe('discarded');
    expect(JSON.parse(failed.stderr).error.code).toBe('job_failed');
  });
});
