import type { RotaError } from '../../kernel/error.ts';
import { isToken } from '../../kernel/identity.ts';
import { type AddressedEvent, plainEvent } from '../../messaging/contract/event.ts';
import { MESSAGE_ID_HEADER, type StreamMessage } from '../../messaging/durable-stream.ts';
import { type Subjects, tokensAfter } from '../../messaging/subjects.ts';
import type { RejectedMessage } from '../../store/rejected-message.ts';
import { headerOf } from '../intake/job-builder.ts';

/** What is kept of a rejection: characters of each text, and issues. */
const TEXT_MAX = 512;
const ISSUES_KEPT_MAX = 20;

/** The id that its publisher gave a message. */
export function messageIdOf({ headers }: StreamMessage): string | undefined {
  const id = headerOf(headers, MESSAGE_ID_HEADER.toLowerCase());
  return id === '' ? undefined : id;
}

/**
 * What the rejected list keeps of a message.
 * @param error why it became no job
 * @param about when, and for `each` the place of the entry that was rejected
 */
export function rejectedMessage(
  message: StreamMessage,
  error: Pick<RotaError, 'code' | 'message' | 'issues'>,
  about: { at: number; index?: number },
): RejectedMessage {
  const { at, index } = about;
  const clipped = (text: string): string => text.slice(0, TEXT_MAX);
  const place = index === undefined ? '' : `each.${index}`;
  const issues = error.issues.slice(0, ISSUES_KEPT_MAX).map((issue) => ({
    path: clipped([place, issue.path].filter((part) => part !== '').join('.')),
    message: clipped(issue.message),
  }));
  return {
    key: index === undefined ? message.key : `${message.key}:${index}`,
    at,
    queue: clipped(tokensAfter(message.subject, 2).join('.')),
    msgId: clipped(messageIdOf(message) ?? '') || null,
    code: error.code,
    message: clipped(error.message),
    issues,
  };
}

/** The event of a rejection; its id is the same whenever it is told again. */
export function rejectedEvent(rejected: RejectedMessage, subjects: Subjects, node: string): AddressedEvent {
  const { key, at, queue, msgId, code, message, issues } = rejected;
  // A subject with anything else but a queue in it is rejected too; the event's own subject is one all the same.
  const name = isToken(queue) ? queue : queue.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 64) || '_';
  const about = msgId ?? key;
  const data = { queue, msgId, code, message, issues };
  return plainEvent({ kind: 'intake', name, what: 'rejected', at, id: key, about, data }, subjects, node);
}
