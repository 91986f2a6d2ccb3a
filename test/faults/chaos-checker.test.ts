import { describe, expect, test } from 'vitest';
import type { WireEvent } from '../support/plain-client.ts';
import { brokenFleet } from './chaos-checker.ts';
import { Asked, type ChaosJob, type History } from './chaos-history.ts';

const AT = Date.UTC(2026, 0, 1);
const timeOf = (ms: number): string => new Date(AT + ms).toISOString();

/** A job of queue `slow`, enqueued at 0 ms, begun at 100 ms and ended at 200 ms. */
const job = (id: string, change: Partial<ChaosJob> = {}): ChaosJob => ({
  ...{
    id,
    type: 'work',
    queue: 'slow',
    state: 'completed',
    attempt: 1,
    result: null,
    errors: [],
    schedule: null,
    tags: [],
  },
  ...{ insertedAt: timeOf(0), scheduledAt: timeOf(0), attemptedAt: timeOf(100), finishedAt: timeOf(200) },
  ...change,
});

/** What a node told of a job, written as `node job run what`. */
function event(text: string): WireEvent {
  const [node, subject = '', run, what = ''] = text.split(' ');
  const ended = ['completed', 'discarded', 'cancelled'].includes(what);
  const id = `${subject}:${run}:${what}${ended ? '' : ':1000'}`;
  return { id, source: `/rota/${node}`, type: `jobs.job.${what}`, subject, data: {} };
}

/** What handlers wrote down, as `what job run`. */
const note = (text: string) => {
  const [what = '', id = '', run] = text.split(' ');
  return { what, id, run: Number(run) };
};
const tick = (id: string, name: string, ms: number): ChaosJob => job(id, { schedule: { name, at: timeOf(ms) } });

/** Nothing was published, and nothing must have fired. */
const NOTHING_MORE = { published: [], rejected: [], ticksMin: {}, recoveries: [] };

const JOBS = [job('x'), job('y')];
const NOTES = ['start x 1', 'end x 1', 'start y 1', 'end y 1'];
const EVENTS = ['a x 1 completed', 'a y 1 completed'];

const REJECTED = [{ at: timeOf(150), msgId: 'm', message: '' }];

interface Change extends Partial<Omit<History, 'asked' | 'notes' | 'events'>> {
  notes?: string[];
  events?: string[];
  asked?: (asked: Asked) => void;
}

/** A history in which all is well, but for a change. */
function broken({ notes = NOTES, events = EVENTS, asked: change = () => {}, ...rest }: Change = {}): string[] {
  const asked = new Asked();
  for (const id of ['x', 'y']) {
    asked.sent.add(id);
    asked.acknowledged.set(id, 'completed');
  }
  change(asked);
  return brokenFleet({
    ...{ asked, jobs: JOBS, notes: notes.map(note), events: events.map(event), deaf: [], limit: 1 },
    ...{ mostExecuting: 1, untold: 0, strayExits: [], ...NOTHING_MORE, ...rest },
  });
}

describe('the checker of a fleet', () => {
  test('finds nothing wrong where all is well', () => expect(broken()).toEqual([]));

  test('bears that a run of an owner who was thought dead goes on, and begins late', () => {
    const errors = [{ attempt: 1, kind: 'orphaned', message: '' }];
    const jobs = [job('x', { attempt: 2, errors }), job('y')];
    const events = ['b x 2 completed', 'a x 1 rescued', 'a y 1 completed', 'b x 2 completed'];
    expect(
      broken({ jobs, events, notes: ['start x 2', 'end x 2', 'start x 1', 'end x 1', ...NOTES.slice(2)] }),
    ).toEqual([]);
  });

  test('bears an end that nobody could hear', () => {
    expect(broken({ events: EVENTS.slice(1), deaf: [{ from: AT + 150, to: AT + 250 }] })).toEqual([]);
  });

  test('knows the jobs of messages, and bears a rejection that nobody could hear', () => {
    const jobs = [...JOBS, job('z', { tags: ['m'] })];
    const published = [{ msgId: 'm', jobs: 1, rejected: 1 }];
    const deaf = [{ from: AT + 150, to: AT + 250 }];
    const events = [...EVENTS, 'a z 1 completed'];
    const notes = [...NOTES, 'start z 1', 'end z 1'];
    expect(broken({ jobs, published, rejected: REJECTED, deaf, events, notes })).toEqual([]);
  });

  test.each<[string, Change]>([
    ['is lost', { jobs: JOBS.slice(1) }],
    ['asked for by nobody', { jobs: [...JOBS, job('z')], events: [...EVENTS, 'a z 1 completed'] }],
    ['has not ended', { jobs: [job('x', { state: 'executing' }), job('y')], events: EVENTS.slice(1) }],
    ['should be discarded', { asked: ({ acknowledged }) => acknowledged.set('x', 'discarded') }],
    ['cancelled by nobody', { jobs: [job('x', { state: 'cancelled', attempt: 0 }), job('y')] }],
    ['nobody was told', { events: EVENTS.slice(1) }],
    ['under several ids', { events: [...EVENTS, 'b x 2 completed'] }],
    ['ended its run 1 as', { events: [...EVENTS, 'b x 1 rescued'] }],
    ['after its completion', { events: [...EVENTS, 'b x 2 started'] }],
    ['started a run twice', { notes: [...NOTES, 'start x 1'] }],
    ['was started again after', { notes: [...NOTES, 'start x 2'] }],
    ['which never ended', { notes: NOTES.slice(0, 1).concat(NOTES.slice(2)) }],
    ['with entries of attempts', { jobs: [job('x', { attempt: 2 }), job('y')] }],
    ['is a second job of', { jobs: [...JOBS, tick('s', 'clock', 0), tick('t', 'clock', 0)] }],
    ['no tick between', { jobs: [...JOBS, tick('s', 'all', 0), tick('t', 'all', 2_000)] }],
    ['fired at: never', { asked: ({ put }) => put.set('once-1', timeOf(0)) }],
    ['is kept by several jobs', { asked: ({ unique }) => unique.set('key', new Set(['x', 'y'])) }],
    ['ran at once', { notes: ['start x 1', 'start y 1', 'end x 1', 'end y 1'] }],
    ['were executing at once', { mostExecuting: 2 }],
    ['in a pause', { asked: ({ pauses }) => pauses.push({ from: AT - 1_000, to: AT + 1_000 }) }],
    ['were never told', { untold: 1 }],
    ['clock fired 1 times only', { jobs: [...JOBS, tick('s', 'clock', 0)], ticksMin: { clock: 2 } }],
    ['skipping fired 0 times only', { ticksMin: { skipping: 1 } }],
    [
      'nothing completed after: kill',
      { recoveries: [{ fault: 'kill', firstMs: Number.POSITIVE_INFINITY, drainedMs: 0 }] },
    ],
    ['rolled back and is there', { asked: ({ rolledBack }) => rolledBack.add('x') }],
    ['became 0 jobs', { published: [{ msgId: 'm', jobs: 1, rejected: 0 }] }],
    ['rejected 1 times and told 0 times', { rejected: REJECTED, published: [{ msgId: 'm', jobs: 0, rejected: 1 }] }],
    ['ended by itself', { strayExits: ['node a ended by itself (1)'] }],
  ])('sees that something %s', (words, change) => {
    expect(broken(change).some((line) => line.includes(words))).toBe(true);
  });
});
