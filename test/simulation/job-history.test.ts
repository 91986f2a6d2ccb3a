import { expect, test } from 'vitest';
import type { JobFact } from '../../src/job/job-event.ts';
import type { StoreRequest } from '../../src/store/job-store.ts';
import { JobHistory } from './job-history.ts';

/** A history, and what it complained about. */
function listening() {
  const broken: string[] = [];
  const history = new JobHistory((rule, about) => broken.push(`${rule}: ${about}`));
  const fact = (id: string, rest: Partial<JobFact>): JobFact => ({
    ...{ what: 'inserted', at: 1_000, id, run: 0, type: 'work', queue: 'work', state: 'available', attempt: 0 },
    ...{ maxAttempts: 20, schedule: { name: 'all', at: 1_000, late: false } },
    ...rest,
  });
  const tell = (verb: StoreRequest['verb'], id: string, rest: Partial<JobFact>): void =>
    // Of a request only the verb and the worker are looked at here.
    history.take(
      fact(id, { schedule: { name: id, at: 1_000, late: false }, ...rest }),
      { verb, worker: 'w' } as StoreRequest,
      new Map(),
    );
  const take = (verb: 'tick' | 'runSchedules' | 'delete', id: string): void =>
    // Of a request only the verb is looked at here.
    history.take(fact(id, verb === 'delete' ? { what: 'deleted' } : {}), { verb } as StoreRequest, new Map());
  return { take, tell, staged: (now: number) => history.staged(now), broken };
}

test('a nominal time makes one job; only who asks by hand gets another one, where the first is deleted', () => {
  const { take, broken } = listening();
  take('runSchedules', 'a');
  take('delete', 'a');
  take('runSchedules', 'b');
  expect(broken).toEqual([]);
  take('runSchedules', 'c');
  expect(broken).toEqual(['one job per tick: c']);
});

test('a tick whose job was deleted is not made again', () => {
  const { take, broken } = listening();
  take('tick', 'a');
  take('delete', 'a');
  take('tick', 'b');
  expect(broken).toEqual(['one job per tick: b']);
});

test('one group may move a job to an earlier time, make it available and give it to a claim', () => {
  const { tell, staged, broken } = listening();
  const scheduled = { state: 'scheduled' } as const;
  const started = { what: 'started', state: 'executing', run: 1, attempt: 1 } as const;
  for (const id of ['moved', 'not moved']) tell('insert', id, { ...scheduled, nextAt: 90_000 });
  tell('insert', 'moved', { ...scheduled, what: 'updated', nextAt: 20_000 });
  staged(30_000);
  tell('claim', 'moved', started);
  expect(broken).toEqual([]);
  tell('claim', 'not moved', started);
  expect(broken).toEqual(['legal transitions: not moved']);
});
