import { isRecord } from '../kernel/check.ts';
import { RotaError } from '../kernel/error.ts';
import { isToken, TOKEN_RULE } from '../kernel/identity.ts';
import { Body } from '../messaging/body.ts';
import type { Bus, Headers } from '../messaging/bus.ts';
import type { Codec } from '../messaging/codec.ts';
import { readEnqueue } from '../messaging/contract/enqueue.ts';
import { MESSAGE_ID_HEADER } from '../messaging/durable-stream.ts';
import type { Subjects } from '../messaging/subjects.ts';
import type { JobBody } from './job-body.ts';

/** A job on its way to the intake stream. */
export interface Submission {
  subject: string;
  body: Body;
  headers: Headers;
}

/** The server's number for a message that is larger than the stream takes. */
const MESSAGE_TOO_LARGE = 10_054;

/**
 * Puts a job into a message whose id is the job's. What can be known to be wrong without asking anybody is told now, for
 * later nobody waits for an answer.
 * @throws RotaError `invalid_job`, `invalid_request`, `too_large`
 */
export function submission(
  queue: string,
  body: JobBody,
  how: { subjects: Subjects; codec: Codec; traceparent: string | undefined },
): Submission {
  const { subjects, codec, traceparent } = how;
  if (!isToken(queue)) {
    const message = `must be a queue name: ${TOKEN_RULE}`;
    throw new RotaError('invalid_request', `the queue ${message}`, { issues: [{ path: 'queue', message }] });
  }
  readEnqueue(body);
  const headers = {
    [MESSAGE_ID_HEADER]: body.id,
    ...(traceparent === undefined ? {} : { traceparent }),
  };
  return { subject: subjects.intake(queue), body: Body.of(body, codec), headers };
}

/**
 * Publishes it once and waits until the broker has it.
 * @throws RotaError `unavailable` when no stream took it, `overloaded` when that is full, `timeout`, `too_large`
 */
export async function publishSubmission(
  bus: Bus,
  { subject, body, headers }: Submission,
  tryMs: number,
): Promise<void> {
  const { body: reply } = await bus.request(subject, { body, headers }, { timeoutMs: tryMs });
  const ack = reply.value;
  if (!isRecord(ack)) throw new RotaError('unavailable', 'the broker gave no answer of a stream');
  if (!isRecord(ack.error)) return;
  const { code, err_code: number, description } = ack.error;
  const text = `the broker does not take it: ${String(description)}`;
  if (number === MESSAGE_TOO_LARGE) throw new RotaError('too_large', text);
  throw new RotaError(
    /maximum|insufficient/i.test(String(description)) || code === 429 ? 'overloaded' : 'unavailable',
    text,
  );
}
