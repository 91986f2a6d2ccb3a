import { setTimeout as wait } from 'node:timers/promises';
import { encode } from '@msgpack/msgpack';
import { headers, type NatsConnection } from '@nats-io/transport-node';

/** What the broker answers to a publish that a stream took. */
export interface PubAck {
  stream: string;
  seq: number;
  duplicate?: boolean;
  error?: { description: string };
}

/** How a message is written; a string or bytes go as they are. */
export interface PublishOptions {
  id?: string;
  headers?: Record<string, string>;
  msgpack?: boolean;
}

/** Publishes to the intake as any program would: until the broker says that it has it. */
export async function publish(
  nats: NatsConnection,
  queue: string,
  ...[body, options = {}]: [body: unknown, options?: PublishOptions]
): Promise<PubAck> {
  const written = headers();
  for (const [name, value] of Object.entries(options.headers ?? {})) written.set(name, value);
  if (options.id !== undefined) written.set('Nats-Msg-Id', options.id);
  if (options.msgpack) written.set('Content-Type', 'application/msgpack');
  const asIs = typeof body === 'string' || body instanceof Uint8Array;
  const bytes = asIs ? body : options.msgpack ? encode(body) : JSON.stringify(body);
  for (let tries = 1; ; tries += 1) {
    try {
      const reply = await nats.request(`jobs.intake.${queue}`, bytes, { headers: written, timeout: 2_000 });
      return reply.json<PubAck>();
    } catch (error) {
      if (tries >= 100) throw error;
      await wait(50);
    }
  }
}
