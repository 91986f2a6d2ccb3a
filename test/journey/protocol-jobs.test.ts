import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defineJob, every } from '../../src/index.ts';
import { type RotaNode, startRotaNode, until } from '../support/rota-node.ts';

// PROTOCOL.md section 4: get, list, count, wait.

const echo = defineJob({ type: 'echo', run: async ({ args }) => args });

let node: RotaNode;
beforeAll(async () => {
  const jobs = [defineJob({ type: 'theirs' }), defineJob({ type: 'theirs.too' }), echo];
  const schedules = { often: every('1s', echo, { args: { often: true }, maxRuns: 2 }) };
  node = await startRotaNode({ queues: { default: 10, a: 1, b: 1, pages: 1, wait: 1 }, jobs, schedules });
});
afterAll(() => node.stop());

const type = 'theirs';
const NOWHERE = '01a20128-f7ac-76ca-9234-b51070260f07';
const worker = crypto.randomUUID();
const enqueue = async (queue: string, fields: object = {}) =>
  (await node.ask(`jobs.enqueue.${queue}`, { type, ...fields })).job;
const list = (filter: object) => node.ask('jobs.job.list', filter);
const idsOf = ({ jobs }: { jobs: { id: string }[] }): string[] => jobs.map(({ id }) => id);
const claim = async (queue: string) =>
  (await node.ask(`jobs.work.${queue}.claim`, { worker, node: 'plain', limit: 100 })).jobs;
const settle = (queue: string, outcome: object) =>
  node.ask(`jobs.work.${queue}.settle`, { worker, outcomes: [outcome] });
const STATES = ['scheduled', 'available', 'executing', 'retryable', 'completed', 'cancelled', 'discarded'];

describe('get', () => {
  test('answers the bare job, or 404', async () => {
    const made = await enqueue('a', { args: { n: 1 } });
    expect(await node.ask('jobs.job.get', { id: made.id })).toEqual(made);
    expect((await node.pack('jobs.job.get', { id: made.id })).value).toEqual(made);
    expect(await node.request('jobs.job.get', { id: NOWHERE })).toMatchObject({ status: 404, code: 'not_found' });
    for (const id of [7, null, undefined, '', {}, ['x']]) {
      expect(await node.request('jobs.job.get', { id })).toMatchObject({ status: 400, paths: ['id'] });
    }
    await node.ask('jobs.job.cancel', { id: made.id });
  });
});

describe('list and count', () => {
  test('filter by each part and by all together', async () => {
    const made = await enqueue('b', { tags: ['Red', 'x'], reference: { type: 'file', id: '42' }, scheduleIn: '1h' });
    const other = await enqueue('b', { type: 'theirs.too', tags: ['blue'], reference: { type: 'file', id: '43' } });
    const third = await enqueue('a', { tags: ['red'] });
    const filters: [object, string[]][] = [
      [{ queue: 'b' }, [other.id, made.id]],
      [{ type: 'theirs.too' }, [other.id]],
      [{ tag: 'red' }, [third.id, made.id]],
      [{ tag: 'RED', queue: 'b' }, [made.id]],
      [{ reference: { type: 'file', id: '42' } }, [made.id]],
      [{ state: 'scheduled' }, [made.id]],
      [{ state: ['scheduled', 'available'] }, [third.id, other.id, made.id]],
      [{ queue: 'b', state: 'available', type: 'theirs' }, []],
      [{ schedule: 'nobody' }, []],
      [{ queue: 'nowhere' }, []],
    ];
    for (const [filter, ids] of filters) {
      expect(idsOf(await list(filter)), JSON.stringify(filter)).toEqual(ids);
      expect((await node.ask('jobs.job.count', filter)).total).toBe(ids.length);
    }
    expect((await list({ queue: 'b', limit: 1 })).jobs[0]).toEqual(other);
  });

  test('before and after compare insertedAt, exclusive', async () => {
    const first = await enqueue('pages');
    const second = await until(
      () => enqueue('pages'),
      ({ insertedAt }) => insertedAt > first.insertedAt,
    );
    const within = { queue: 'pages' };
    expect(idsOf(await list({ ...within, before: first.insertedAt }))).toEqual([]);
    expect(idsOf(await list({ ...within, before: second.insertedAt }))).toContain(first.id);
    expect(idsOf(await list({ ...within, before: second.insertedAt }))).not.toContain(second.id);
    expect(idsOf(await list({ ...within, after: first.insertedAt }))).not.toContain(first.id);
    expect(idsOf(await list({ ...within, after: second.insertedAt }))).toEqual([]);
    await node.ask('jobs.job.cancel', within);
  });

  test('count has every state, and the queues that have jobs', async () => {
    const { total, byState, byQueue } = await node.ask('jobs.job.count');
    expect(Object.keys(byState).toSorted()).toEqual(STATES.toSorted());
    const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((all, one) => all + one, 0);
    expect([sum(byState), sum(byQueue)]).toEqual([total, total]);
    expect(await node.ask('jobs.job.count', { queue: 'b' })).toMatchObject({ total: 2, byQueue: { b: 2 } });
  });

  test('a schedule’s jobs carry its mark and are found by it', async () => {
    const { jobs } = await until(
      () => list({ schedule: 'often', order: 'asc' }),
      (page) => page.jobs.length === 2,
    );
    expect(jobs[0]).toMatchObject({ type: 'echo', args: { often: true }, schedule: { name: 'often', late: false } });
    expect(jobs[0].schedule.at).toMatch(/^\d{4}-.*\.\d{3}Z$/);
  });

  test('pages go through everything once, whatever is inserted meanwhile, in both orders', async () => {
    await node.ask(
      'jobs.enqueue.pages',
      Array.from({ length: 60 }, () => ({ type })),
    );
    for (const order of ['asc', 'desc'] as const) {
      const filter = { queue: 'pages', state: 'available', order };
      const all = idsOf(await list({ ...filter, limit: 500 }));
      expect(all).toEqual(order === 'asc' ? all.toSorted() : all.toSorted().toReversed());
      const seen: string[] = [];
      let cursor: string | null = null;
      do {
        const page: { jobs: { id: string }[]; cursor: string | null } = await list({ ...filter, limit: 7, cursor });
        expect(page.jobs.length).toBeGreaterThan(0);
        seen.push(...idsOf(page));
        cursor = page.cursor;
        await enqueue('pages');
      } while (cursor !== null && seen.length < 500);
      expect(seen.slice(0, all.length)).toEqual(all);
      expect(new Set(seen).size).toBe(seen.length);
    }
    const exact = await node.ask('jobs.job.count', { queue: 'pages', state: 'available' });
    expect((await list({ queue: 'pages', state: 'available', limit: exact.total })).cursor).toBeNull();
    expect((await list({ queue: 'pages' })).jobs).toHaveLength(50);
    expect((await list({ queue: 'nowhere' })).cursor).toBeNull();
  });

  test('a page never exceeds what the server takes: it is shorter and goes on', async () => {
    const args = { a: 'x'.repeat(250_000) };
    for (let index = 0; index < 6; index += 1) await enqueue('a', { args, tags: ['big'] });
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: { jobs: { id: string }[]; cursor: string | null } = await list({ tag: 'big', limit: 6, cursor });
      seen.push(...idsOf(page));
      cursor = page.cursor;
    } while (cursor !== null && seen.length < 20);
    expect(new Set(seen).size).toBe(6);
    expect(seen).toHaveLength(6);
    expect(await node.ask('jobs.job.cancel', { tag: 'big' })).toEqual({ count: 6 });
  });

  test('refuse what is wrong, by its name', async () => {
    const bad: [object, string][] = [
      [{ state: 'running' }, 'state'],
      [{ state: [] }, 'state'],
      [{ state: ['available', 'x'] }, 'state.1'],
      [{ queue: 'a b' }, 'queue'],
      [{ type: 'a b' }, 'type'],
      [{ tag: 1 }, 'tag'],
      [{ schedule: 'a b' }, 'schedule'],
      [{ schedule: '\u0000' }, 'schedule'],
      [{ tag: '\ud800' }, 'tag'],
      [{ reference: '42' }, 'reference'],
      [{ reference: { type: 'file' } }, 'reference.id'],
      [{ before: 'yesterday' }, 'before'],
      [{ after: 1 }, 'after'],
    ];
    for (const [filter, path] of bad) {
      for (const verb of ['list', 'count', 'cancel']) {
        const answer = await node.request(`jobs.job.${verb}`, filter);
        expect(answer, `${verb} ${JSON.stringify(filter)}`).toMatchObject({ status: 400, paths: [path] });
      }
    }
    const pages: [object, string][] = [
      [{ limit: 501 }, 'limit'],
      [{ limit: 0 }, 'limit'],
      [{ order: 'up' }, 'order'],
      [{ cursor: 'nonsense' }, 'cursor'],
      [{ cursor: 5 }, 'cursor'],
    ];
    for (const [fields, path] of pages) {
      expect(await node.request('jobs.job.list', fields)).toMatchObject({
        status: 400,
        code: 'invalid_request',
        paths: [path],
      });
    }
  });
});

describe('wait', () => {
  const wait = (id: string, timeoutMs?: number) => node.ask('jobs.job.wait', { id, timeoutMs });

  test('answers the job once it is terminal: run here, settled elsewhere, cancelled or ended before', async () => {
    const ours = await enqueue('default', { type: 'echo', args: { n: 1 } });
    const done = await wait(ours.id);
    expect(done).toMatchObject({ id: ours.id, state: 'completed', result: { n: 1 } });
    expect(done).not.toHaveProperty('timedOut');
    expect(await wait(ours.id, 0)).toEqual(done);

    const theirs = await enqueue('wait');
    const waiting = wait(theirs.id, 8_000);
    const [job] = await claim('wait');
    await settle('wait', { id: job.id, attempt: 1, run: 1, outcome: 'discard', reason: 'no' });
    expect(await waiting).toMatchObject({ id: theirs.id, state: 'discarded', errors: [{ kind: 'discarded' }] });

    const cancelled = await enqueue('wait', { scheduleIn: '1h' });
    const both = [wait(cancelled.id, 8_000), wait(cancelled.id, 8_000)];
    await node.ask('jobs.job.cancel', { id: cancelled.id });
    for (const answer of await Promise.all(both)) expect(answer).toMatchObject({ state: 'cancelled' });
  });

  test('answers it as it is when the time is over', async () => {
    const made = await enqueue('wait', { scheduleIn: '1h' });
    for (const timeoutMs of [0, 50]) {
      expect(await wait(made.id, timeoutMs)).toMatchObject({ id: made.id, state: 'scheduled', timedOut: true });
    }
  });

  test('refuses what is wrong', async () => {
    expect(await node.request('jobs.job.wait', { id: NOWHERE })).toMatchObject({ status: 404, code: 'not_found' });
    for (const timeoutMs of [60_001, -1, '5s', 1.5]) {
      expect(await node.request('jobs.job.wait', { id: NOWHERE, timeoutMs })).toMatchObject({
        status: 400,
        paths: ['timeoutMs'],
      });
    }
    expect(await node.request('jobs.job.wait', {})).toMatchObject({ status: 400, paths: ['id'] });
  });
});
