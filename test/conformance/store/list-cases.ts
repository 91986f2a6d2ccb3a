import { expect, it } from 'vitest';
import type { NewJob } from '../../../src/job/job.ts';
import { JOB_STATES } from '../../../src/job/state.ts';
import type { JobFilter, StoreAnswer } from '../../../src/store/job-store.ts';
import type { StoreSuite } from './store-conformance.ts';
import { failure, laterJob, newJob, T0 } from './store-driver.ts';

/** List and count. */
export function listCases({ driver }: StoreSuite): void {
  async function ids(filter: JobFilter, order: 'asc' | 'desc' = 'asc', limit = 100): Promise<string[]> {
    const found: string[] = [];
    let cursor: string | null | undefined;
    do {
      const page = await driver().do('list', { filter, limit, order, ...(cursor ? { cursor } : {}) });
      expect(page.jobs.length).toBeLessThanOrEqual(limit);
      found.push(...page.jobs.map(({ id }) => id));
      cursor = page.cursor;
    } while (cursor);
    return found;
  }

  /** Jobs in every state, over three queues, in order of insertion. */
  async function mixture(): Promise<NewJob[]> {
    const jobs: NewJob[] = [];
    for (let index = 0; index < 42; index++) {
      const part: Partial<NewJob> = {
        queue: `q${index % 3}`,
        type: index % 2 ? 'test.odd' : 'test.even',
        insertedAt: T0 + index,
        tags: index % 5 === 0 ? ['five', 'x'] : [],
        reference: index % 7 === 0 ? { type: 'file', id: `${index % 2}` } : null,
        schedule: index % 6 === 0 ? { name: `s${index % 4}`, at: T0 + index, late: false } : null,
        maxAttempts: 2,
      };
      const job = index % 4 === 3 ? laterJob(T0 + 1e6, part) : newJob(part);
      jobs.push(job);
      await driver().insert(job);
    }
    for (const queue of ['q0', 'q1']) {
      const [a, b, c, d, e] = await driver().claim({ queue, limit: 5 });
      if (!(a && b && c && d && e)) throw new Error('five are claimed');
      await driver().complete(a);
      await driver().settle(b, failure());
      await driver().settle(c, { outcome: 'discard', reason: 'r' });
      await driver().do('cancel', { now: T0, id: d.id, terminate: false });
    }
    return jobs;
  }

  it('lists by every filter, alone and together, both ways, in pages of any size', async () => {
    const jobs = await mixture();
    const rows = await driver().do('get', { ids: jobs.map(({ id }) => id) });
    const filters: JobFilter[] = [
      {},
      ...JOB_STATES.map((state): JobFilter => ({ states: [state] })),
      { states: ['completed', 'executing', 'available'] },
      { states: [] },
      { queue: 'q1' },
      { queue: 'none' },
      { queue: 'q0', states: ['executing'] },
      { queue: 'q2', states: ['available', 'retryable'] },
      { type: 'test.odd' },
      { type: 'test.odd', states: ['available', 'executing'], queue: 'q1' },
      { tag: 'five' },
      { tag: 'five', queue: 'q0' },
      { reference: { type: 'file', id: '1' } },
      { reference: { type: 'file', id: '1' }, states: ['available'] },
      { schedule: 's2' },
      { schedule: 's2', type: 'test.even', after: T0 + 10 },
      { after: T0 + 5 },
      { before: T0 + 5 },
      { after: T0 + 5, before: T0 + 30, states: ['scheduled'] },
    ];
    for (const filter of filters) {
      const expected = rows.filter((row) => matches(row, filter)).map(({ id }) => id);
      expect(await ids(filter), JSON.stringify(filter)).toEqual(expected);
      expect(await ids(filter, 'desc', 4), JSON.stringify(filter)).toEqual([...expected].reverse());
      expect(await ids(filter, 'asc', 1), JSON.stringify(filter)).toEqual(expected);
      const counts = await driver().do('count', { filter });
      expect(counts.total, JSON.stringify(filter)).toBe(expected.length);
      expect(Object.keys(counts.byState)).toEqual([...JOB_STATES]);
      const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
      expect(sum(Object.values(counts.byState))).toBe(counts.total);
      expect(sum(Object.values(counts.byQueue))).toBe(counts.total);
      expect(Object.values(counts.byQueue)).not.toContain(0);
    }
  });

  it('counts queues that are named as what every object has', async () => {
    const queues = ['constructor', 'toString', 'toString', 'hasOwnProperty'];
    await driver().insert(...queues.map((queue) => newJob({ queue })));
    for (const filter of [{}, { type: newJob().type }]) {
      const { byQueue } = await driver().do('count', { filter });
      expect(Object.entries(byQueue).sort()).toEqual([
        ['constructor', 1],
        ['hasOwnProperty', 1],
        ['toString', 2],
      ]);
    }
  });

  it('answers whole jobs, and no cursor on the last page, also when it is just full', async () => {
    const jobs = [newJob(), newJob()];
    await driver().insert(...jobs);
    const page = await driver().do('list', { filter: {}, limit: 2, order: 'desc' });
    expect(page.cursor).toBeNull();
    expect(page.jobs).toEqual([...(await driver().do('get', { ids: jobs.map(({ id }) => id) }))].reverse());
    expect((await driver().do('list', { filter: {}, limit: 1, order: 'desc' })).cursor).toEqual(expect.any(String));
  });

  it('answers shorter pages where their size is limited, and every job in the end', async () => {
    const jobs = Array.from({ length: 80 }, () => newJob({ args: { text: 'x'.repeat(3_000) } }));
    await driver().insert(...jobs);
    const found: string[] = [];
    let cursor: string | null = null;
    do {
      const options = { filter: {}, limit: 50, order: 'asc', bytesMax: 64_000, ...(cursor ? { cursor } : {}) } as const;
      const page: StoreAnswer<'list'> = await driver().do('list', options);
      expect(Buffer.byteLength(JSON.stringify(page.jobs))).toBeLessThan(64_000);
      expect(page.jobs.length).toBeGreaterThan(0);
      found.push(...page.jobs.map(({ id }) => id));
      cursor = page.cursor;
    } while (cursor);
    expect(found).toEqual(jobs.map(({ id }) => id));
    const one = await driver().do('list', { filter: {}, limit: 5, order: 'asc', bytesMax: 1 });
    expect(one.jobs).toHaveLength(1);
    expect(one.cursor).not.toBeNull();
  });

  it('keeps its place while jobs come, move and go', async () => {
    const jobs = Array.from({ length: 6 }, () => newJob());
    await driver().insert(...jobs);
    const first = await driver().do('list', { filter: {}, limit: 3, order: 'desc' });
    await driver().insert(newJob(), newJob());
    await driver().claim({ limit: 8 });
    const options = { filter: {}, limit: 10, order: 'desc', cursor: first.cursor ?? '' } as const;
    const second = await driver().do('list', options);
    expect([...first.jobs, ...second.jobs].map(({ id }) => id)).toEqual(jobs.map(({ id }) => id).reverse());
  });

  it('refuses a cursor that is none of its own', async () => {
    await driver().insert(newJob(), newJob());
    const page = await driver().do('list', { filter: {}, limit: 1, order: 'desc' });
    const cursors = ['', 'x', 'd', 'd-1', 'd0', "d1' or 1=1", 'dzzzzzzzzzzzzzzzz', '9'.repeat(500)];
    for (const cursor of cursors) {
      const error = await driver().refused('list', { filter: {}, limit: 1, order: 'desc', cursor });
      expect(error.code, cursor).toBe('invalid_request');
    }
    const turned = { filter: {}, limit: 1, order: 'asc', cursor: page.cursor ?? '' } as const;
    expect((await driver().refused('list', turned)).code).toBe('invalid_request');
  });
}

type Listed = Pick<NewJob, 'queue' | 'type' | 'tags' | 'reference' | 'schedule' | 'insertedAt'> & { state: string };

/** Whether a filter lets a job through: said a second time, row by row. */
export function matches(job: Listed, filter: JobFilter): boolean {
  const { states, queue, type, tag, reference, schedule, before, after } = filter;
  return (
    (states === undefined || (states as readonly string[]).includes(job.state)) &&
    (queue ?? job.queue) === job.queue &&
    (type ?? job.type) === job.type &&
    (tag === undefined || job.tags.includes(tag)) &&
    (reference === undefined || (job.reference?.type === reference.type && job.reference.id === reference.id)) &&
    (schedule === undefined || job.schedule?.name === schedule) &&
    (before === undefined || job.insertedAt < before) &&
    (after === undefined || job.insertedAt > after)
  );
}
