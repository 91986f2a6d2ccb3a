import { type Msg, nanos } from '@nats-io/transport-node';

/** What the ack subject of a delivery tells. */
export interface Delivery {
  /** Stream, place and time: of no other message ever. */
  key: string;
  deliveries: number;
  /** Milliseconds since the epoch. */
  takenAt: number;
}

/**
 * Reads an ack subject (ADR-15): `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<ns>.<pending>`, or with
 * `<domain>.<account hash>` after `ACK` and more at the end.
 * @returns undefined for a message that no stream delivered
 */
export function deliveryOf({ reply = '' }: Pick<Msg, 'reply'>): Delivery | undefined {
  const tokens = reply.split('.');
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK' || (tokens.length !== 9 && tokens.length < 11)) return undefined;
  const [stream, , deliveries, sequence, , time = ''] = tokens.slice(tokens.length === 9 ? 2 : 4);
  const takenAt = Number(time.slice(0, -6));
  if (!Number.isSafeInteger(takenAt)) return undefined;
  return { key: `${stream}:${sequence}:${time}`, deliveries: Number(deliveries), takenAt };
}

/** Finished with: forget it. */
export const ACK = Buffer.from('+ACK');
/** Still at it: do not deliver it to anybody yet. */
export const IN_PROGRESS = Buffer.from('+WPI');

/** Not finished: deliver it again after `delayMs` milliseconds. */
export const nak = (delayMs: number): Uint8Array =>
  Buffer.from(delayMs > 0 ? `-NAK ${JSON.stringify({ delay: nanos(delayMs) })}` : '-NAK');
