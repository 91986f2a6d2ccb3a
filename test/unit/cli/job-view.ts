import type { JobView } from '../../../src/client/client.ts';

/** A job as a reply has it. */
export function jobView(fields: Partial<JobView> = {}): JobView {
  return {
    id: '019b0000-0000-7000-8000-00000000000a',
    type: 'email.send',
    queue: 'mail',
    state: 'available',
    args: { to: 'a' },
    priority: 5,
    attempt: 0,
    maxAttempts: 20,
    scheduledAt: '2026-01-31T09:57:00.000Z',
    insertedAt: '2026-01-31T09:57:00.000Z',
    attemptedAt: null,
    finishedAt: null,
    attemptedBy: null,
    tags: [],
    meta: {},
    reference: null,
    result: null,
    errors: [],
    progress: null,
    schedule: null,
    ...fields,
  };
}
