import { setTimeout as wait } from 'node:timers/promises';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { v7 } from 'uuid';

/** A job as the wire shows it, as far as tests look at it. */
export interface WireJob {
  id: string;
  type: string;
  state: string;
  attempt: number;
  result: unknown;
  errors: { attempt: number; kind: string; message: string }[];
}

/** An event as it came in. */
export interface WireEvent {
  id: string;
  /** `/rota/<node>` */
  source: string;
  type: string;
  subject: string;
  data: Record<string, unknown>;
}

const TERMINAL = /^jobs\.job\.(completed|discarded|cancelled)$/;
/** Between two tries of a request that nobody answered, in milliseconds. */
const AGAIN_MS = 50;
const TRY_MS = 1_000;

/** A program that speaks the wire contract with nothing but a NATS client. */
export class PlainClient {
  readonly connection: NatsConnection;
  /** Every event since {@link listen}. */
  readonly events: WireEvent[] = [];
  /** The terminal events by job: each event id with how often it came. */
  readonly ends = new Map<string, Map<string, number>>();
  readonly #watchers = new Set<() => void>();

  static async to(url: string): Promise<PlainClient> {
    const servers = url;
    // Back soon after an outage, but not always before the node is.
    const again = { maxReconnectAttempts: -1, reconnectTimeWait: 100, waitOnFirstConnect: true };
    const options = { servers, ...again };
    return new PlainClient(await connect(options));
  }

  private constructor(connection: NatsConnection) {
    this.connection = connection;
  }

  /** One request and its answer. Throws for an error reply. */
  async once(subject: string, body: unknown, timeout = TRY_MS): Promise<unknown> {
    const reply = await this.connection.request(subject, JSON.stringify(body), { timeout });
    const code = reply.headers?.get('Nats-Service-Error-Code');
    const value: unknown = reply.json();
    if (code) throw new Error(`${subject}: ${code} ${JSON.stringify(value)}`);
    return value;
  }

  /** Repeats a request that may be repeated until it is answered. */
  async ask<T>(subject: string, body: unknown): Promise<T> {
    for (;;) {
      try {
        return (await this.once(subject, body)) as T;
      } catch (error) {
        if (/: 4\d\d /.test(String(error)) && !/ 429 /.test(String(error))) throw error;
        await wait(AGAIN_MS);
      }
    }
  }

  /** Enqueues one job and answers its id once that is acknowledged. */
  async enqueue(type: string, args: object = {}, more: Record<string, unknown> = {}): Promise<string> {
    const { queue = 'default', ...fields } = more;
    const { job } = await this.ask<{ job: WireJob }>(`jobs.enqueue.${queue}`, { id: v7(), type, args, ...fields });
    return job.id;
  }

  get(id: string): Promise<WireJob> {
    return this.ask('jobs.job.get', { id });
  }

  /** Waits until a job is terminal. */
  async ended(id: string): Promise<WireJob> {
    for (;;) {
      const job = await this.ask<WireJob & { timedOut?: boolean }>('jobs.job.wait', { id, timeoutMs: 500 });
      if (!job.timedOut) return job;
    }
  }

  /** Keeps every event from now on; again after an outage by itself. */
  async listen(): Promise<void> {
    this.connection.subscribe('jobs.events.>', {
      callback: (_error, message) => {
        const event = message.json<WireEvent>();
        this.events.push(event);
        if (TERMINAL.test(event.type)) {
          const seen = this.ends.get(event.subject) ?? new Map<string, number>();
          this.ends.set(event.subject, seen.set(event.id, (seen.get(event.id) ?? 0) + 1));
        }
        for (const look of [...this.#watchers]) look();
      },
    });
    await this.connection.flush();
  }

  /** Resolves with the first event that fits, from a place in {@link events} on. */
  event(fits: (event: WireEvent) => boolean, from = 0): Promise<WireEvent> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = this.events.slice(from).find(fits);
        if (found === undefined) return;
        this.#watchers.delete(look);
        resolve(found);
      };
      this.#watchers.add(look);
      look();
    });
  }

  /** Resolves when the end of each of these jobs was told. */
  async endsTold(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      if (!this.ends.has(id))
        await this.event(({ type, subject }) => subject === id && TERMINAL.test(type), this.events.length);
    }
  }

  /** The ids of jobs that events of one kind told of. */
  told(what: string): Set<string> {
    return new Set(this.events.filter(({ type }) => type === `jobs.job.${what}`).map(({ subject }) => subject));
  }

  close(): Promise<void> {
    return this.connection.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
