import { RotaError } from '../kernel/error.ts';

/** Any use of a bus after its close. The errors here are what every adapter says in the same situation. */
export const busClosed = (): RotaError => new RotaError('closed', 'the bus is closed');

/** A request that cannot be sent, or whose answer is lost with the connection. */
export const noConnection = (): RotaError =>
  new RotaError('unavailable', 'no connection to the broker: the request was not sent, or its answer is lost');

/** A request to a subject without a subscription. */
export const nobodyServes = (subject: string): RotaError => new RotaError('unavailable', `nobody serves ${subject}`);

/** What the broker's permissions do not let this user do. @param what like `publish to jobs.job.get` */
export const forbidden = (what: string, cause: Error): RotaError =>
  new RotaError('forbidden', `the broker does not let this user ${what}`, { cause });

/** A flush that cannot vouch for what was published; see PublishLedger. */
export const notFlushed = (): RotaError =>
  new RotaError('unavailable', 'the connection to the broker is or was down, so what was published may be lost');

/**
 * Refuses a body that is too large for a message.
 * @throws RotaError `too_large`
 */
export function checkPayload(bytes: number, payloadBytesMax: number): void {
  if (bytes <= payloadBytesMax) return;
  throw new RotaError('too_large', `the body has ${bytes} bytes; a message may have ${payloadBytesMax}`);
}
