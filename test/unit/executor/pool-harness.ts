import { fileURLToPath } from 'node:url';
import type { AttemptInput, RunningAttempt } from '../../../src/actors/executor/attempt.ts';
import { HostPool, type HostPoolOptions } from '../../../src/actors/executor/hosts/host-pool.ts';
import { processOpener, threadOpener } from '../../../src/app/job-hosts.ts';
import { defineJob, type EnqueueFunction, type HandlerJob } from '../../../src/job/definition.ts';
import { type Clock, systemClock } from '../../../src/kernel/clock.ts';
import { RotaError } from '../../../src/kernel/error.ts';
import type { Json } from '../../../src/kernel/json.ts';
import type { Logger } from '../../../src/kernel/log.ts';

/** One log line. */
export interface Line {
  level: string;
  message: string;
  fields: Record<string, unknown>;
}

/** A journal of log lines that can be waited for. */
export class Journal {
  readonly lines: Line[] = [];
  readonly #listeners = new Set<() => void>();

  logger(bound: object = {}): Logger {
    const at = (level: string) => (fields: object, message: string) => {
      this.lines.push({ level, message, fields: { ...bound, ...fields } });
      for (const listener of this.#listeners) listener();
    };
    const child = (fields: object): Logger => this.logger({ ...bound, ...fields });
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), child };
  }

  /** The first line, past or to come, that says this. */
  async says(text: string): Promise<Line> {
    const { promise, resolve } = Promise.withResolvers<Line>();
    const look = (): void => {
      const found = this.lines.find(({ message }) => message.includes(text));
      if (found) resolve(found);
    };
    this.#listeners.add(look);
    look();
    return promise.finally(() => this.#listeners.delete(look));
  }
}

/** An attempt of the fixture config's handlers, and all that is seen of it. */
export interface Attempt extends RunningAttempt {
  journal: Journal;
  abort: AbortController;
  progress: Json[];
  enqueued: unknown[][];
}

/** A pool over the real threads or processes, whose config is `fixtures/config.ts`. */
export class PoolHarness {
  readonly kind: 'thread' | 'process';
  readonly journal = new Journal();
  readonly pool: HostPool;
  readonly #clock: Clock;
  #attempts = 0;

  constructor(
    kind: 'thread' | 'process',
    options: Partial<HostPoolOptions> & { memoryMb?: number; dataFolder?: string; configFile?: string } = {},
  ) {
    this.kind = kind;
    const { memoryMb, dataFolder = '/data', configFile, clock = systemClock, ...given } = options;
    this.#clock = clock;
    const data = {
      configFile: configFile ?? fileURLToPath(new URL('./fixtures/config.ts', import.meta.url)),
      configFolder: '/',
      dataFolder,
      parentPid: process.pid,
    };
    const open = kind === 'thread' ? threadOpener(data, memoryMb) : processOpener(data, memoryMb);
    this.pool = new HostPool({ kind, open, clock, log: this.journal.logger(), size: 1, ...given });
  }

  /** Runs the fixture's handler of that name. */
  run(name: string, options: { args?: Json; timeoutMs?: number } = {}): Attempt {
    const { args = {}, timeoutMs = null } = options;
    this.#attempts += 1;
    const journal = new Journal();
    const abort = new AbortController();
    const progress: Json[] = [];
    const enqueued: unknown[][] = [];
    const enqueue: EnqueueFunction = async (...call) => {
      enqueued.push(call);
      if (call[0] === 'refused')
        throw new RotaError('unknown_type', 'no', { issues: [{ path: 'type', message: 'no' }] });
      return { job: { id: 'made' }, conflict: false };
    };
    const type = `${this.kind}.${name}`;
    const input: AttemptInput = {
      definition: defineJob({ type, run: () => null, backoff: (attempt) => attempt * 1_000 }),
      context: {
        ...{ args, job: job(type, this.#attempts), signal: abort.signal, log: journal.logger() },
        ...{ progress: (value: Json) => progress.push(value), services: {}, enqueue },
      },
      ...{ attempt: 3, timeoutMs, clock: this.#clock },
      onTimeout: () => abort.abort('timeout'),
    };
    const running = this.pool.run(input);
    const { outcome, ended, terminate } = running;
    return { outcome, ended, terminate, journal, abort, progress, enqueued };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pool.stop();
  }
}

function job(type: string, number: number): HandlerJob {
  return {
    ...{ id: `job-${number}`, type, queue: 'default', attempt: 3, maxAttempts: 20, run: 3, priority: 5 },
    ...{ scheduledAt: 1, insertedAt: 2, tags: [], meta: {}, reference: null, schedule: null, traceparent: null },
  };
}
