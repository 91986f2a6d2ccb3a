import { expect, test } from 'vitest';
import type { WireEvent } from '../support/plain-client.ts';
import { brokenMessages, type IntakeEvidence, type RejectedEntry, type TaggedJob } from './intake-checker.ts';

const job = (id: string, tag: string): TaggedJob => ({
  ...{ id, type: 'work', state: 'completed', attempt: 1, result: null, errors: [] },
  tags: [tag],
});
const AT = Date.UTC(2026, 0, 1);
const entry = (msgId: string, message = 'unknown type'): RejectedEntry => ({
  ...{ at: new Date(AT).toISOString(), msgId, message },
});
const told = (msgId: string, id = msgId): WireEvent => ({
  ...{ id, source: '/rota/1', type: 'jobs.intake.rejected', subject: msgId, data: {} },
});
const GIVEN_UP = 'it was handled 3 times alone without an end';

/** A message of two jobs, one that is rejected, and one that is given up. */
const GOOD: IntakeEvidence = {
  published: [
    { msgId: 'two', jobs: 2, rejected: 0 },
    { msgId: 'bad', jobs: 0, rejected: 1 },
    { msgId: 'often', jobs: 1, rejected: 0 },
  ],
  jobs: [job('1', 'two'), job('2', 'two')],
  rejected: [entry('bad'), entry('often', GIVEN_UP)],
  events: [told('bad'), told('bad'), told('often')],
};

test('finds nothing wrong with messages that ended once, nor with a rejection that is told again', () => {
  expect(brokenMessages(GOOD)).toEqual([]);
});

test('bears that a rejection is not heard of by who is deaf then, and at no other time', () => {
  const events = GOOD.events.slice(2);
  expect(brokenMessages({ ...GOOD, events, deaf: [{ from: AT - 1, to: AT + 1 }] })).toEqual([]);
  expect(brokenMessages({ ...GOOD, events, deaf: [{ from: AT + 1, to: AT + 2 }] })).toHaveLength(1);
});

test.each([
  ['a lost job', { jobs: [job('1', 'two')] }, /two became 1 jobs/],
  ['a job that is made twice', { jobs: [...GOOD.jobs, job('3', 'two')] }, /two became 3 jobs/],
  ['a lost rejection', { rejected: GOOD.rejected.slice(1) }, /bad became 0 jobs and 0 rejections/],
  ['a rejection that nobody heard of', { events: GOOD.events.slice(2) }, /bad was rejected 1 times and told 0/],
  ['a rejection under two ids', { events: [...GOOD.events, told('bad', 'x')] }, /bad was rejected 1 times and told 2/],
  ['a message that is both', { jobs: [...GOOD.jobs, job('3', 'often')] }, /often became 1 jobs and 1 rejections/],
  ['a rejection of what is good', { rejected: [entry('bad'), entry('often')] }, /often became 0 jobs and 1 rejections/],
] as const)('finds %s', (_what, change, complaint) => {
  expect(brokenMessages({ ...GOOD, ...change }).join('\n')).toMatch(complaint);
});
