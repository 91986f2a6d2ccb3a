import { expect, test } from 'vitest';
import { jobFact } from '../../../src/job/job-event.ts';
import { jobEvent } from '../../../src/messaging/contract/event.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';

const subjects = new Subjects('jobs');
const ID = '01890000-0000-7000-8000-000000000000';
const AT = Date.UTC(2026, 0, 2);
const job = {
  ...{ id: ID, run: 3, type: 'mail.send:now', queue: 'my-queue_1', attempt: 2, maxAttempts: 20 },
  state: 'completed',
  schedule: { name: 'nightly', at: AT, late: true },
} as const;

/** What a person wrote stands in quotes that it may itself have. */
const HOSTILE = 'a "quoted" \\ line\nbreak \u0001 \ud800 🐇';

test('an event says all that belongs to its fact, whatever texts are in it', () => {
  const detail = {
    ...{ at: AT, durationMs: 5, waitMs: 7, nextAt: AT + 1, result: { [HOSTILE]: HOSTILE }, progress: [HOSTILE, null] },
    error: { kind: 'error', message: HOSTILE },
  } as const;
  const fact = { ...jobFact('completed', job, detail), outboxSeq: 9 };
  const { subject, id, text } = jobEvent(fact, subjects, { node: 'here', count: 4 });
  expect(text).not.toContain('\n');
  expect(subject).toBe('jobs.events.job.my-queue_1.completed');
  expect(id).toBe(`${ID}:3:completed:${AT}:9`);
  expect(JSON.parse(text)).toEqual({
    ...{ specversion: '1.0', id, source: '/rota/here', type: 'jobs.job.completed', subject: ID },
    ...{ time: '2026-01-02T00:00:00.000Z', datacontenttype: 'application/json' },
    data: {
      ...{ id: ID, type: 'mail.send:now', queue: 'my-queue_1', state: 'completed', attempt: 2, maxAttempts: 20 },
      ...{ durationMs: 5, waitMs: 7, error: detail.error, nextAt: '2026-01-02T00:00:00.001Z' },
      ...{ result: detail.result, progress: detail.progress },
      schedule: { name: 'nightly', at: '2026-01-02T00:00:00.000Z', late: true },
    },
  });
});

test('an event says nothing of what its fact has not, and numbers what is told once', () => {
  const fact = jobFact('started', { ...job, state: 'executing', schedule: null }, { at: AT });
  const { id, text } = jobEvent(fact, subjects, { node: 'here', count: 4 });
  expect(id).toBe(`${ID}:3:started:${AT}:4`);
  expect(Object.keys(JSON.parse(text).data)).toEqual(['id', 'type', 'queue', 'state', 'attempt', 'maxAttempts']);
});

test('events that follow each other say each its own, in whatever they differ', () => {
  const first = jobFact('started', { ...job, state: 'executing', schedule: null }, { at: AT, waitMs: 1 });
  const other = ID.replace('0189', '0190');
  const changes = [
    ...[
      { id: other },
      { waitMs: 2 },
      { at: AT + 1 },
      { run: 4 },
      { type: 'other' },
      { queue: 'other' },
      { attempt: 3 },
    ],
    ...[{ maxAttempts: 4 }, { what: 'completed', state: 'completed' }, { what: 'released', state: 'available' }],
  ] as const;
  for (const change of changes) {
    jobEvent(first, subjects, { node: 'here', count: 1 });
    const fact = { ...first, ...change };
    const { subject, id, text } = jobEvent(fact, subjects, { node: 'here', count: 2 });
    expect(subject).toBe(`jobs.events.job.${fact.queue}.${fact.what}`);
    expect(id).toBe(`${fact.id}:${fact.run}:${fact.what}:${fact.at}:2`);
    const { what: _what, run: _run, at, ...data } = fact;
    expect(JSON.parse(text)).toEqual({
      ...{ specversion: '1.0', id, source: '/rota/here', type: `jobs.job.${fact.what}`, subject: fact.id },
      ...{ time: new Date(at).toISOString(), datacontenttype: 'application/json', data },
    });
  }
  const [another, more] = [1, 2].map((count) => jobEvent({ ...first, id: other }, subjects, { node: 'here', count }));
  jobEvent({ ...first, type: 'other' }, subjects, { node: 'here', count: 3 });
  const again = jobEvent(first, subjects, { node: 'here', count: 4 });
  // What is common to several is told once, also where other kinds are in between.
  expect([more?.pattern, again.pattern]).toEqual([another?.pattern, another?.pattern]);
  expect(again.pattern).toBe(another?.pattern);
  expect(again.length).toBeGreaterThanOrEqual(again.text.length);
  jobEvent(first, subjects, { node: 'here', count: 1 });
  expect(jobEvent(first, new Subjects('else'), { node: 'here', count: 1 }).subject).toMatch(/^else\./);
  expect(jobEvent(first, subjects, { node: 'there', count: 1 }).text).toContain('"source":"/rota/there"');
});
