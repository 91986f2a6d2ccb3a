import { describe, expect, test } from 'vitest';
import type { CliClient } from '../../../src/cli/cli-world.ts';
import { jobQuery } from '../../../src/cli/job-filter.ts';
import { plain } from '../../../src/cli/output.ts';
import { specText } from '../../../src/cli/schedules.ts';
import { treeText } from '../../../src/cli/tree.ts';
import type { ReceivedEvent } from '../../../src/client/client.ts';
import { RotaError } from '../../../src/kernel/error.ts';
import { rota } from './fake-world.ts';
import { jobView } from './job-view.ts';

const ID = '019b0000-0000-7000-8000-00000000000a';

describe('rota jobs', () => {
  const failed = jobView({
    state: 'retryable',
    attempt: 2,
    errors: [{ at: '2026-01-31T09:58:00.000Z', attempt: 2, kind: 'error', message: 'first\nsecond' }],
  });

  test('is a table', async () => {
    const list = async () => ({ jobs: [failed], cursor: null });
    const { stdout } = await rota(['jobs'], { client: { list } });
    expect(stdout.split('\n')).toEqual([
      'ID                                    STATE      TYPE        QUEUE  ATTEMPT  INSERTED  ERROR',
      `${ID}  retryable  email.send  mail      2/20  3m ago    first second`,
      '',
    ]);
  });

  test('makes a filter of its flags', () => {
    expect(jobQuery({ state: 'available, retryable', queue: 'q', type: 't', tag: 'x', schedule: 's' })).toEqual({
      ...{ state: ['available', 'retryable'], queue: 'q', type: 't', tag: 'x', schedule: 's' },
    });
    expect(jobQuery({})).toEqual({});
  });

  test('pages until it has as many as it was asked for', async () => {
    const queries: unknown[] = [];
    const list: CliClient['list'] = async (query) => {
      queries.push(query);
      return { jobs: Array.from({ length: 400 }, () => jobView()), cursor: 'more' };
    };
    const { stdout, stderr } = await rota(['jobs', '--limit', '800', '--queue', 'mail'], { client: { list } });
    expect(queries).toEqual([
      { queue: 'mail', limit: 500 },
      { queue: 'mail', limit: 400, cursor: 'more' },
    ]);
    expect(stdout.trim().split('\n')).toHaveLength(801);
    expect(stderr).toContain('there are more than these 800');
  });

  test('says when there are none', async () => {
    const list = async () => ({ jobs: [], cursor: null });
    expect(await rota(['jobs'], { client: { list } })).toMatchObject({ code: 0, stdout: '', stderr: 'no jobs\n' });
    expect((await rota(['jobs', '--json'], { client: { list } })).stdout).toBe('{"jobs":[]}\n');
  });

  test('shows one whole', async () => {
    const get = async () => failed;
    const { stdout } = await rota(['jobs', ID.toUpperCase()], { client: { get } });
    expect(stdout).toContain('state       retryable\n');
    expect(stdout).toContain('args        {\n              "to": "a"\n            }\n');
    expect(stdout).toContain(
      'error       attempt 2, error, 2026-01-31 09:58:00Z\n            first\n            second\n',
    );
    expect(stdout).not.toContain('result');
    expect(JSON.parse((await rota(['jobs', ID, '--json'], { client: { get } })).stdout)).toEqual(failed);
  });
});

describe('rota schedules', () => {
  const schedule = {
    ...{ name: 'nightly', spec: { cron: '0 3 * * *' }, timezone: 'UTC', nextAt: '2026-01-31T10:12:00.000Z' },
    ...{ lastAt: '2026-01-31T09:00:00.000Z', lastState: 'completed', pausedBy: 'operator' },
  };
  const schedules = { list: async () => [schedule] };

  test('is a table', async () => {
    const { stdout } = await rota(['schedules'], { client: { schedules } });
    expect(stdout.split('\n')).toEqual([
      'NAME     SPEC       ZONE  NEXT                           LAST    STATE      PAUSED BY',
      'nightly  0 3 * * *  UTC   2026-01-31 10:12:00Z (in 12m)  1h ago  completed  operator',
      '',
    ]);
  });

  test('writes specs as a config does', () => {
    expect(specText({ every: 300_000 })).toBe('every 5m');
    expect(specText({ at: '2026-01-31T10:00:00.000Z' })).toBe('at 2026-01-31 10:00:00Z');
    expect(specText(null)).toBe('');
  });
});

describe('rota queues and rota nodes', () => {
  test('are tables', async () => {
    const counts = { available: 3, executing: 1 };
    const queues = { list: async () => [{ name: 'mail', limit: 2, paused: true, counts, nodes: ['a', 'b'] }] };
    const { stdout } = await rota(['queues'], { client: { queues } });
    expect(stdout).toMatch(/^mail +2 +3 +1 .*paused {2}a,b$/m);
    const node = { name: 'a', version: '1.0.0', uptimeMs: 5_000, leader: true, roles: ['store'] };
    const list = async () => [{ ...node, lastBeat: '2026-01-31T09:59:58.000Z' }];
    const nodes = { list, types: async () => [], tree: async () => ({}) };
    expect((await rota(['nodes'], { client: { nodes } })).stdout).toMatch(/^a +1\.0\.0 +5s +2s ago +leads +store$/m);
    expect((await rota(['nodes', '--json'], { client: { nodes } })).stdout).toMatch(/^\{"nodes":\[/);
  });
});

describe('rota tree', () => {
  const leaf = (id: string, over: object = {}) => ({ id, status: 'running', incarnation: 1, restarts: 0, ...over });
  const queues = leaf('queues', { children: [leaf('steward'), leaf('queue:a', { status: 'stopped' })] });
  const answer = {
    ...{ node: 'here', id: 'rota' },
    children: [leaf('persistence', { incarnation: 3, restarts: 2, lastReason: 'killed' }), queues, leaf('dashboard')],
  };

  test('is drawn', () => {
    expect(treeText(answer, plain)).toEqual([
      'rota on here',
      '├─ persistence  running     incarnation 3, restarts 2  last: killed',
      '├─ queues       running     incarnation 1, restarts 0',
      '│  ├─ steward   running     incarnation 1, restarts 0',
      '│  └─ queue:a   stopped     incarnation 1, restarts 0',
      '└─ dashboard    running     incarnation 1, restarts 0',
    ]);
  });

  test('is an error where a node has none', () => expect(() => treeText({ node: 'a' }, plain)).toThrow(RotaError));

  test('names the other nodes, and asks for the one that is wanted', async () => {
    const asked: unknown[] = [];
    const tree = async (node?: string) => {
      asked.push(node);
      return answer;
    };
    const nodes = { tree, types: async () => [], list: async () => [{ name: 'here' }, { name: 'there' }] };
    const { stderr } = await rota(['tree'], { client: { nodes } });
    expect(stderr).toBe('other nodes: there (see --node)\n');
    const { stdout } = await rota(['tree', '--node', 'there', '--json'], { client: { nodes } });
    expect(JSON.parse(stdout)).toEqual(answer);
    expect(asked).toEqual([undefined, 'there']);
  });
});

describe('rota watch', () => {
  const event = (what: string): ReceivedEvent => ({
    ...{ specversion: '1.0', id: what, source: '/rota/a', type: `jobs.job.${what}`, subject: ID },
    ...{
      time: '2026-01-31T10:00:00.000Z',
      datacontenttype: 'application/json',
      data: { type: 't', queue: 'q', id: ID },
    },
    natsSubject: `jobs.events.job.q.${what}`,
  });

  /** Events that end when they are told to. */
  function source(events: ReceivedEvent[]): { client: Partial<CliClient>; subjects: unknown[]; dry: Promise<void> } {
    const subjects: unknown[] = [];
    const end = Promise.withResolvers<void>();
    const dry = Promise.withResolvers<void>();
    const stream = (): AsyncIterableIterator<ReceivedEvent> => ({
      [Symbol.asyncIterator]() {
        return this;
      },
      next: async () => {
        const value = events.shift();
        if (value !== undefined) return { done: false, value };
        dry.resolve();
        await end.promise;
        return { done: true, value: undefined };
      },
      return: async () => {
        end.resolve();
        return { done: true, value: undefined };
      },
    });
    const nodes = { list: async () => [], types: async () => [], tree: async () => ({}) };
    const client: Partial<CliClient> = {
      nodes,
      events: (filter) => {
        subjects.push(filter?.subject);
        return stream();
      },
    };
    return { client, subjects, dry: dry.promise };
  }

  test('writes a CloudEvent a line where no terminal is, and ends after --count', async () => {
    const fake = source([event('started'), event('completed'), event('inserted')]);
    const { code, stdout, stderr } = await rota(['watch', '--count', '2', '--prefix', 'mine'], fake);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(code).toBe(0);
    expect(lines.map(({ type }) => type)).toEqual(['jobs.job.started', 'jobs.job.completed']);
    expect(lines[0]).not.toHaveProperty('natsSubject');
    expect(fake.subjects).toEqual(['mine.events.>']);
    expect(stderr).toBe('watching mine.events.> at nats://127.0.0.1:4222\n');
  });

  test('writes for a person on a terminal, and JSON there too when asked', async () => {
    const env = { NO_COLOR: '1' };
    const read = await rota(['watch', 'a.>', '--count', '1'], { ...source([event('started')]), env, columns: 80 });
    expect(read.stdout).toMatch(/^\d\d:\d\d:\d\d\.\d{3} {2}started {5}q {2}t {2}…0000000a\n$/);
    const json = await rota(['watch', '--count', '1', '--json'], { ...source([event('started')]), env, columns: 80 });
    expect(JSON.parse(json.stdout).type).toBe('jobs.job.started');
    expect(json.stdout.split('\n')).toHaveLength(2);
  });
});
