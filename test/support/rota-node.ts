import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode, encode } from '@msgpack/msgpack';
import { connect, headers as createHeaders, createInbox, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { defineScheduler, type Rota, type SchedulerConfig, type StartOptions, start } from '../../src/index.ts';
import { freePort } from './free-port.ts';

/** What came back: the body decoded as its own Content-Type says, and the error headers where it is one. */
export interface Answer {
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into replies as a program in any language would.
  value: any;
  /** `Nats-Service-Error-Code` as a number; undefined for a good answer. */
  status: number | undefined;
  /** `error.code` of the body. */
  code: string | undefined;
  /** Paths of `error.issues`. */
  paths: string[];
  headers: Record<string, string>;
  bytes: Uint8Array;
}

export interface RequestOptions {
  headers?: Record<string, string>;
  timeoutMs?: number;
}

/** A CloudEvent as it was seen, with the subject that it came on. */
export interface SeenEvent {
  subject: string;
  // biome-ignore lint/suspicious/noExplicitAny: as for an answer.
  event: any;
}

/** A whole node in this process, its own broker, and a plain NATS connection beside it that knows nothing of Rota. */
export interface RotaNode {
  readonly rota: Rota;
  readonly nats: NatsConnection;
  readonly url: string;
  readonly dataFolder: string;
  /** A request in JSON. A string or bytes are sent as they are; undefined is the empty body. */
  request(subject: string, body?: unknown, options?: RequestOptions): Promise<Answer>;
  /** The same in MessagePack. */
  pack(subject: string, body: unknown, options?: RequestOptions): Promise<Answer>;
  /** The value of a good answer; fails the test on any other. */
  // biome-ignore lint/suspicious/noExplicitAny: as for an answer.
  ask(subject: string, body?: unknown, options?: RequestOptions): Promise<any>;
  /** Everything seen on `jobs.events.>` since the node was up, oldest first. */
  readonly events: readonly SeenEvent[];
  /** The first event, past or to come, that fits. Fails after 10 s. */
  event(fits: (seen: SeenEvent) => boolean): Promise<SeenEvent>;
  /** Sends a request that wants its answer at `reply`, which a plain client may not even have subscribed to. */
  publish(subject: string, body: unknown, reply?: string): void;
  stop(): Promise<void>;
}

/** How long anything may take before a test has failed. */
const PATIENCE_MS = 30_000;

/** Durations short enough that leases, beats and polls are seen to pass. */
export const BRISK = { lease: '2s', beat: '300ms', poll: '100ms', grace: '1s' } as const;

/**
 * Starts a node. Its own data folder and port; everything goes at `stop`. With a server of the test's own in `nats`, what
 * the node tells while it starts is seen too.
 */
export async function startRotaNode(config: SchedulerConfig, options: StartOptions = {}): Promise<RotaNode> {
  const dataFolder = mkdtempSync(join(tmpdir(), 'rota-node-'));
  const embedded = `embedded://127.0.0.1:${await freePort()}`;
  const given = { ...BRISK, data: dataFolder, logLevel: 'error', node: 'here', nats: embedded, ...options };
  const early = typeof options.nats === 'string' ? await plainConnection(options.nats) : undefined;
  const events = new EventLog();
  if (early !== undefined) await events.watch(early);
  try {
    const rota = await start(defineScheduler(config), given);
    const nats = early ?? (await plainConnection(rota.natsUrl));
    if (early === undefined) await events.watch(nats);
    return new Node({ rota, nats, dataFolder, log: events });
  } catch (error) {
    await early?.close();
    rmSync(dataFolder, { recursive: true, force: true });
    throw error;
  }
}

/** It comes back as NATS clients do by default: two seconds after it lost the server. */
function plainConnection(servers: string): Promise<NatsConnection> {
  return connect({ servers, inboxPrefix: '_INBOX.plain', maxReconnectAttempts: -1 });
}

/** Asks again until what comes fits; for what nothing signals. Fails with the last answer after 30 s. */
export async function until<T>(look: () => Promise<T>, fits: (seen: T) => boolean): Promise<T> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const seen = await look();
    if (fits(seen)) return seen;
    if (performance.now() > end) throw new Error(`never came about; last seen: ${JSON.stringify(seen)}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

class EventLog {
  readonly seen: SeenEvent[] = [];
  readonly #listeners = new Set<() => void>();

  async watch(nats: NatsConnection): Promise<void> {
    nats.subscribe('*.events.>', {
      callback: (error, msg) => {
        if (error !== null) throw error;
        this.seen.push({ subject: msg.subject, event: JSON.parse(msg.string()) });
        for (const listener of this.#listeners) listener();
      },
    });
    await nats.flush();
  }

  next(fits: (seen: SeenEvent) => boolean): Promise<SeenEvent> {
    const { promise, resolve, reject } = Promise.withResolvers<SeenEvent>();
    const timer = setTimeout(() => reject(new Error('the event never came')), PATIENCE_MS);
    const look = (): void => {
      const found = this.seen.find(fits);
      if (found !== undefined) resolve(found);
    };
    this.#listeners.add(look);
    look();
    return promise.finally(() => {
      clearTimeout(timer);
      this.#listeners.delete(look);
    });
  }
}

class Node implements RotaNode {
  readonly rota: Rota;
  readonly nats: NatsConnection;
  readonly dataFolder: string;
  readonly #log: EventLog;

  constructor(parts: { rota: Rota; nats: NatsConnection; dataFolder: string; log: EventLog }) {
    this.rota = parts.rota;
    this.nats = parts.nats;
    this.dataFolder = parts.dataFolder;
    this.#log = parts.log;
  }

  get url(): string {
    return this.rota.natsUrl;
  }

  get events(): readonly SeenEvent[] {
    return this.#log.seen;
  }

  request(subject: string, body?: unknown, options: RequestOptions = {}): Promise<Answer> {
    return this.#send(subject, bytesOf(body), options);
  }

  pack(subject: string, body: unknown, options: RequestOptions = {}): Promise<Answer> {
    const headers = { 'Content-Type': 'application/msgpack', ...options.headers };
    return this.#send(subject, body instanceof Uint8Array ? body : encode(body), { ...options, headers });
  }

  // biome-ignore lint/suspicious/noExplicitAny: see the interface.
  async ask(subject: string, body?: unknown, options?: RequestOptions): Promise<any> {
    const { value, status } = await this.request(subject, body, options);
    if (status !== undefined) throw new Error(`${subject} was refused: ${JSON.stringify(value)}`);
    return value;
  }

  event(fits: (seen: SeenEvent) => boolean): Promise<SeenEvent> {
    return this.#log.next(fits);
  }

  publish(subject: string, body: unknown, reply?: string): void {
    this.nats.publish(subject, bytesOf(body), reply === undefined ? {} : { reply });
  }

  async stop(): Promise<void> {
    await this.rota.stop();
    await this.nats.close();
    rmSync(this.dataFolder, { recursive: true, force: true });
  }

  async #send(subject: string, body: Uint8Array, { headers = {}, timeoutMs = PATIENCE_MS }: RequestOptions) {
    const written = createHeaders();
    for (const [name, value] of Object.entries(headers)) written.set(name, value);
    // A reply subject of its own, as clients in other languages have: none of nats.js's conveniences stand in between.
    const reply = createInbox('_INBOX.plain');
    const { promise, resolve, reject } = Promise.withResolvers<Msg>();
    const subscription = this.nats.subscribe(reply, { max: 1, callback: (_error, msg) => resolve(msg) });
    const timer = setTimeout(() => reject(new Error(`no answer to ${subject} within ${timeoutMs} ms`)), timeoutMs);
    this.nats.publish(subject, body, { reply, headers: written });
    try {
      return answerOf(await promise);
    } finally {
      clearTimeout(timer);
      subscription.unsubscribe();
    }
  }
}

function bytesOf(body: unknown): Uint8Array {
  if (body === undefined) return new Uint8Array(0);
  if (body instanceof Uint8Array) return body;
  return new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body));
}

function answerOf(msg: Msg): Answer {
  const headers = Object.fromEntries([...(msg.headers ?? [])].map(([name, [value = '']]) => [name, value]));
  const packed = headers['Content-Type'] === 'application/msgpack';
  const empty = msg.data.length === 0;
  // biome-ignore lint/suspicious/noExplicitAny: see Answer.
  const value: any = empty ? undefined : packed ? decode(msg.data) : JSON.parse(msg.string());
  const status = headers['Nats-Service-Error-Code'];
  const issues: { path: string }[] = value?.error?.issues ?? [];
  return {
    value,
    status: status === undefined ? undefined : Number(status),
    code: value?.error?.code,
    paths: issues.map(({ path }) => path),
    headers,
    bytes: msg.data,
  };
}
