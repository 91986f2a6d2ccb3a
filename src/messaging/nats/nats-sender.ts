import type { NatsConnection, PublishOptions } from '@nats-io/transport-node';
import { errorText, RotaError } from '../../kernel/error.ts';
import type { Envelope } from '../bus.ts';
import { checkPayload, noConnection } from '../bus-errors.ts';
import { PAYLOAD_BYTES_MAX_DEFAULT } from '../payload.ts';
import { natsPublishOptions } from './nats-message.ts';
import { SendWindow } from './send-window.ts';

/** Writes messages to a NATS connection, as long as the server keeps up with them. */
export class NatsSender {
  /** The largest body that the server takes, in bytes. */
  payloadBytesMax = PAYLOAD_BYTES_MAX_DEFAULT;
  readonly #connection: NatsConnection;
  readonly #window: SendWindow;

  constructor(connection: NatsConnection) {
    this.#connection = connection;
    this.#window = new SendWindow(() => connection.flush());
  }

  /** Whether a body of this size may be sent now. */
  admits(bytes: Uint8Array): boolean {
    return this.#window.admits(bytes.length);
  }

  /** @throws RotaError `too_large`, or `invalid_request` for a header that cannot be written */
  send(subject: string, envelope: Envelope, reply?: string): void {
    this.sendBytes(subject, envelope.body.bytes, () => natsPublishOptions(envelope, reply));
  }

  /** {@link send} for bytes of JSON; `options` for what goes beside them. */
  sendBytes(subject: string, bytes: Uint8Array, options?: () => PublishOptions): void {
    checkPayload(bytes, this.payloadBytesMax);
    try {
      this.#connection.publish(subject, bytes, options?.());
    } catch (cause) {
      if (this.#connection.isClosed()) throw noConnection();
      throw new RotaError('invalid_request', `cannot send to ${subject}: ${errorText(cause)}`, { cause });
    }
    this.#window.sent(bytes.length);
  }
}
