import { describe, expect, test } from 'vitest';
import { eventLine } from '../../../src/cli/event-line.ts';
import { plain } from '../../../src/cli/output.ts';

const time = '2026-01-31T10:00:00.120Z';
const line = (type: string, data: object, subject = 'x'): string =>
  // The wall time is that of the zone here; what follows it is the same everywhere.
  eventLine({ specversion: '1.0', type, subject, time, data, natsSubject: 's' }, { paint: plain }).replace(
    /^\d\d:\d\d:\d\d\.120 {2}/,
    '',
  );

const job = {
  id: '019b0000-0000-7000-8000-00000000000a',
  type: 'email.send',
  queue: 'mail',
  attempt: 1,
  maxAttempts: 20,
};

describe('an event on one line', () => {
  test.each([
    ['jobs.job.inserted', job, 'inserted    mail  email.send  …0000000a'],
    ['jobs.job.started', { ...job, waitMs: 3 }, 'started     mail  email.send  …0000000a  waited 3ms'],
    [
      'jobs.job.completed',
      { ...job, durationMs: 1_500, result: 1 },
      'completed   mail  email.send  …0000000a  took 1.5s',
    ],
    [
      'jobs.job.retryable',
      { ...job, attempt: 2, error: { kind: 'error', message: 'no\nway' }, nextAt: '2026-01-31T10:00:17.120Z' },
      'retryable   mail  email.send  …0000000a  attempt 2/20  error: no way  next in 17s',
    ],
    [
      'jobs.job.inserted',
      { ...job, schedule: { name: 'nightly' } },
      'inserted    mail  email.send  …0000000a  by nightly',
    ],
    ['jobs.job.progress', { ...job, progress: { done: 3 } }, 'progress    mail  email.send  …0000000a  {"done":3}'],
    [
      'jobs.supervisor.child-restarted',
      { supervisor: 'rota', id: 'persistence', incarnation: 2 },
      'child-restarted  supervisor  x  supervisor=rota  id=persistence  incarnation=2',
    ],
  ])('%s', (type, data, expected) => expect(line(type, data)).toBe(expected));

  test('does not repeat what it is about', () => {
    expect(line('jobs.node.started', { node: 'a', version: '1' }, 'a')).toBe('started     node  a  version=1');
  });

  test('shows what is no event as it is', () => {
    expect(eventLine({ natsSubject: 'other.thing', hello: 1 }, { paint: plain })).toBe('other.thing  {"hello":1}');
  });

  test('is cut where the terminal ends, and painted after that', () => {
    const event = { type: 'jobs.job.completed', time, data: job };
    const text = eventLine(event, { paint: (style, words) => `<${style} ${words}>`, columns: 30 });
    expect(text).toMatch(/^<dim \d\d:\d\d:\d\d\.120> {2}<green completed> {3}mai…$/);
  });
});
