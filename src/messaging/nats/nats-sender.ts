import type { NatsConnection } from '@nats-io/transport-node';
import { errorText, RotaError } from '../../kernel/error.ts';
import type { Envelope } from '../bus.ts';
import { checkPayload, noConnection } from '../bus-errors.ts';
import type { JsonLines } from '../json-lines.ts';
import { PAYLOAD_BYTES_MAX_DEFAULT } from '../payload.ts';
import { publishFrames } from './line-frames.ts';
import { natsPublishOptions } from './nats-message.ts';
import { SendWindow } from './send-window.ts';

/**
 * What nats.js's connections have beside what their type tells: the writer of commands, which its own packages use too.
 * Without it each line is published by a call of its own.
 */
interface CommandWriter {
  protocol?: { sendCommand?: (commands: Uint8Array) => void };
}

/** Writes messages to a NATS connection, as long as the server keeps up with them. */
export class NatsSender {
  /** The largest body that the server takes, in bytes. */
  payloadBytesMax = PAYLOAD_BYTES_MAX_DEFAULT;
  readonly #connection: NatsConnection & CommandWriter;
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
    const { bytes } = envelope.body;
    checkPayload(bytes.length, this.payloadBytesMax);
    try {
      this.#connection.publish(subject, bytes, natsPublishOptions(envelope, reply));
    } catch (cause) {
      if (this.#connection.isClosed()) throw noConnection();
      throw new RotaError('invalid_request', `cannot send to ${subject}: ${errorText(cause)}`, { cause });
    }
    this.#window.sent(bytes.length);
  }

  /**
   * Publishes each line.
   * @returns false when the server did not keep up and lines were dropped
   * @throws RotaError `too_large` for one of them; then others may be dropped
   */
  sendLines(subject: string, lines: JsonLines): boolean {
    if (this.#connection.isClosed()) throw noConnection();
    const { protocol } = this.#connection;
    if (protocol?.sendCommand === undefined) return this.#sendEach(subject, lines);
    for (const commands of publishFrames(subject, lines, this.payloadBytesMax)) {
      if (!this.admits(commands)) return false;
      protocol.sendCommand(commands);
      this.#window.sent(commands.length);
    }
    return true;
  }

  #sendEach(subject: string, lines: JsonLines): boolean {
    for (const body of lines.bodies()) {
      if (!this.admits(body.bytes)) return false;
      this.send(subject, { body });
    }
    return true;
  }
}
