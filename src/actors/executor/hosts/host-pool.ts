import type { OutcomeError } from '../../../job/outcome.ts';
import { atMost, type Clock } from '../../../kernel/clock.ts';
import type { Logger } from '../../../kernel/log.ts';
import type { AttemptHost, AttemptInput, RunningAttempt } from '../attempt.ts';
import { HostedAttempt } from './hosted-attempt.ts';
import { type OpenHost, PooledHost, type PooledHostWorld } from './pooled-host.ts';

/** What a pool is made of. */
export interface HostPoolOptions {
  /** `thread` or `process`: for people. */
  kind: 'thread' | 'process';
  open: OpenHost;
  clock: Clock;
  log: Logger;
  /** How many there are at most; as many again where killed ones do not end. */
  size: number;
  /** One that is not needed for so long is ended, in milliseconds. Default 60 s. */
  idleMs?: number;
  /** One that has run so many attempts is replaced. Default 1000. */
  attemptsMax?: number;
}

const IDLE_MS = 60_000;
const ATTEMPTS_MAX = 1_000;
/** How long a stop waits for services to close and killed ones to end, in milliseconds. */
const STOP_MS = 7_000;

/**
 * Threads or processes that run attempts, one each at a time. They are started when first needed and reused; an attempt
 * that finds none waits, and its time does not count until its handler is called. Our own and no library's: the kill of
 * one attempt's thread or process, and word of its real end, is what it is for.
 *
 * A thread contains an infinite loop, `process.exit`, an uncaught exception or rejection and a full heap of its own. It
 * does not contain what takes the whole program: a crash in native code, a fatal abort of V8, memory outside of the heap,
 * a signal to the program. Its jobs are then rescued. Nor can a thread be ended in a synchronous native call: it is
 * reported as leaked and replaced, and the program cannot exit before the call returns. A process contains all of that;
 * what a handler spawned itself is not ended with it.
 */
export class HostPool implements AttemptHost {
  readonly #options: HostPoolOptions;
  readonly #hosts = new Set<PooledHost>();
  readonly #free: PooledHost[] = [];
  #waiting: HostedAttempt[] = [];
  #keys = 0;
  #open = true;

  constructor(options: HostPoolOptions) {
    this.#options = options;
  }

  /** How many threads or processes there are, those included that are starting or ending. */
  get living(): number {
    return this.#hosts.size;
  }

  run(input: AttemptInput): RunningAttempt {
    this.#keys += 1;
    const withdraw = (one: HostedAttempt): void => {
      this.#waiting = this.#waiting.filter((other) => other !== one);
    };
    const attempt = new HostedAttempt(input, { key: this.#keys, withdraw });
    this.#waiting.push(attempt);
    this.#deal();
    return attempt;
  }

  /** Takes attempts: at the start, and again after a {@link stop}. */
  start(): void {
    this.#open = true;
    this.#deal();
  }

  /** Lets free ones close their services, kills the others, and waits until all have ended. What leaks is left. */
  async stop(): Promise<void> {
    this.#open = false;
    const all = [...this.#hosts];
    for (const host of all) host.end();
    await atMost(this.#options.clock, STOP_MS, Promise.all(all.map(({ gone }) => gone)));
    this.kill();
  }

  /** Kills all at once. */
  kill(): void {
    this.#open = false;
    for (const host of this.#hosts) {
      host.kill();
      host.abandon();
    }
  }

  /** Brings those that wait and those that are free together; starts more where there is room. */
  #deal(): void {
    if (!this.#open) return;
    while (this.#waiting.length > 0) {
      const host = this.#free.pop();
      if (host === undefined) break;
      const attempt = this.#waiting.shift();
      if (attempt !== undefined) host.give(attempt);
    }
    let starting = [...this.#hosts].filter((host) => host.starting).length;
    for (; starting < this.#waiting.length && this.#room() > 0; starting += 1) this.#begin();
  }

  #room(): number {
    const { size } = this.#options;
    const leaked = [...this.#hosts].filter((host) => host.leaked).length;
    return size + Math.min(leaked, size) - this.#hosts.size;
  }

  #begin(): void {
    const { kind, open, clock, log } = this.#options;
    const world: PooledHostWorld = {
      ...{ kind, open, clock, log },
      onFree: (host) => this.#freed(host),
      onChange: () => this.#changed(),
      onGone: (host, startError) => this.#gone(host, startError),
      onReturned: (attempt) => this.#waiting.unshift(attempt),
    };
    this.#hosts.add(new PooledHost(world));
  }

  #freed(host: PooledHost): void {
    const { attemptsMax = ATTEMPTS_MAX, idleMs = IDLE_MS } = this.#options;
    if (!this.#open || host.tainted || host.attempts >= attemptsMax) {
      host.end();
      return;
    }
    this.#free.push(host);
    host.endWhenIdle(idleMs);
    this.#deal();
  }

  #changed(): void {
    for (const [index, host] of [...this.#free.entries()].reverse()) if (!host.isFree) this.#free.splice(index, 1);
    this.#deal();
  }

  #gone(host: PooledHost, startError: OutcomeError | undefined): void {
    const { kind, log } = this.#options;
    this.#hosts.delete(host);
    if (startError !== undefined && this.#open) {
      log.error({ error: startError.message }, `a ${kind} for jobs could not start`);
      // One that waited pays for it, so that a config which cannot be imported ends attempts and not just threads.
      this.#waiting.shift()?.fail({ ...startError, message: `the ${kind} could not start: ${startError.message}` });
    }
    this.#changed();
  }
}
