import { isRecord } from '../kernel/check.ts';
import { ERROR_STATUS, errorText, type Issue, RotaError, statusOf, type WireErrorCode } from '../kernel/error.ts';
import { Body } from './body.ts';
import type { Bus, Envelope, Headers, Message, RequestOptions } from './bus.ts';
import { type Codec, codecOf } from './codec.ts';

/** The headers of the NATS service protocol (ADR-32) that mark an error reply. */
export const ERROR_CODE_HEADER = 'Nats-Service-Error-Code';
/** The header with the sentence of an error reply. */
export const ERROR_TEXT_HEADER = 'Nats-Service-Error';

/** Where the answers to requests go that never leave their process. No subject on the wire has a space in it. */
export const LOCAL_INBOX = 'in this process.';

/** Whether a request was made in this process, and reached us without the broker. */
export const isFromHere = ({ reply }: Message): boolean => reply?.startsWith(LOCAL_INBOX) === true;

/** The error reply to a request: status and sentence in the headers, all of it in the body. */
export function errorReply(thrown: unknown, codec: Codec): Envelope {
  const error =
    thrown instanceof RotaError
      ? thrown
      : new RotaError('unavailable', `an internal error: ${errorText(thrown)}`, { cause: thrown });
  const { message, issues } = error;
  // What only arises in our own process (a time-out, a closed bus) means to a requester that he should try again.
  const code = error.code in ERROR_STATUS ? error.code : 'unavailable';
  return {
    body: Body.of({ error: { code, message, ...(issues.length > 0 ? { issues } : {}) } }, codec),
    headers: { [ERROR_CODE_HEADER]: String(statusOf(code)), [ERROR_TEXT_HEADER]: headerText(message) },
  };
}

/** A header value is one line of printable ASCII. */
function headerText(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 256);
}

/**
 * The value of an answer.
 * @throws RotaError with the code, message and issues of an error reply
 */
export function replyValue(message: Message): unknown {
  const { value } = message.body;
  if (message.headers[ERROR_CODE_HEADER] === undefined) return value;
  const error = isRecord(value) && isRecord(value.error) ? value.error : {};
  const code =
    typeof error.code === 'string' && error.code in ERROR_STATUS ? (error.code as WireErrorCode) : 'unavailable';
  const text =
    typeof error.message === 'string'
      ? error.message
      : (message.headers[ERROR_TEXT_HEADER] ?? 'an error without a message');
  throw new RotaError(code, text, { issues: Array.isArray(error.issues) ? (error.issues as Issue[]) : [] });
}

/** Which codec an answer is written in: the request's own; JSON where that one is not known. */
export function answerCodec(message: Message): Codec {
  return codecOf(message.body.contentType) ?? 'json';
}

/** Answers a request with a value in the codec it came in. */
export function answer(message: Message, value: unknown): void {
  message.respond({ body: Body.of(value, answerCodec(message)) });
}

/** Answers a request with an error in the codec it came in. */
export function refuse(message: Message, thrown: unknown): void {
  message.respond(errorReply(thrown, answerCodec(message)));
}

/**
 * Asks and reads the answer, between our own parts.
 * @throws RotaError as {@link Bus.request}, or with what the answer says
 */
export async function ask(
  bus: Bus,
  subject: string,
  request: { value: unknown; codec?: Codec; headers?: Headers } & RequestOptions,
): Promise<unknown> {
  const { value, codec = 'msgpack', headers, timeoutMs } = request;
  const body = Body.of(value, codec);
  return replyValue(await bus.request(subject, headers === undefined ? { body } : { body, headers }, { timeoutMs }));
}
