import { RotaError } from '../kernel/error.ts';

/** What every adapter says in the same situation. */
export const busClosed = (): RotaError => new RotaError('closed', 'the bus is closed');

export const noConnection = (): RotaError =>
  new RotaError('unavailable', 'no connection to the broker: the request was not sent, or its answer is lost');

export const nobodyServes = (subject: string): RotaError => new RotaError('unavailable', `nobody serves ${subject}`);

export const notFlushed = (): RotaError =>
  new RotaError('unavailable', 'the connection to the broker is or was down, so what was published may be lost');

/** @throws RotaError `too_large` */
export function checkPayload(bytes: Uint8Array, payloadBytesMax: number): void {
  if (bytes.length <= payloadBytesMax) return;
  throw new RotaError('too_large', `the body has ${bytes.length} bytes; a message may have ${payloadBytesMax}`);
}
