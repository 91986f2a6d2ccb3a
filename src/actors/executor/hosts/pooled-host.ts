import type { OutcomeError } from '../../../job/outcome.ts';
import type { Clock, TimerHandle } from '../../../kernel/clock.ts';
import { errorText } from '../../../kernel/error.ts';
import type { Logger } from '../../../kernel/log.ts';
import type { HostControls, Hosted } from '../../../supervisor/supervisor.ts';
import { isFromHost, type ToHost } from './host-messages.ts';
import type { AttemptSeat, HostedAttempt } from './hosted-attempt.ts';

/** Starts a thread or process that runs attempts. */
export type OpenHost = (told: {
  controls: HostControls;
  onMessage: (message: unknown) => void;
  onLine: (line: string, stream: 'stdout' | 'stderr') => void;
}) => Hosted;

/** What a pooled host is told to work with, and whom it tells. */
export interface PooledHostWorld {
  /** `thread` or `process`: for people. */
  kind: string;
  open: OpenHost;
  clock: Clock;
  log: Logger;
  /** It is ready for an attempt: at first, and whenever one has ended. */
  onFree(host: PooledHost): void;
  /** It takes no more attempts, but has not ended yet; or what counts as ended has changed. */
  onChange(): void;
  /** It has really ended. `startError`: it never was ready. */
  onGone(host: PooledHost, startError: OutcomeError | undefined): void;
  /** The handler was never called: the attempt needs another host. */
  onReturned(attempt: HostedAttempt): void;
}

/** How long one may take to import the config and make its services, in milliseconds. */
const START_MS = 30_000;
/** How long one that is not needed may take to close its services, in milliseconds. */
const CLOSE_MS = 5_000;
/** What was killed and has not ended after this long is stuck in a native call, in milliseconds: a leak. */
const LEAK_MS = 2_000;

/**
 * A thread or process of a pool. It runs one attempt at a time, so that whatever ends it costs one attempt.
 */
export class PooledHost implements AttemptSeat {
  readonly #world: PooledHostWorld;
  readonly #hosted: Hosted;
  readonly #gone = Promise.withResolvers<void>();
  #state: 'starting' | 'ready' | 'ending' | 'gone' = 'starting';
  #wasReady = false;
  #attempt: HostedAttempt | undefined;
  #timer: TimerHandle;
  #fault: OutcomeError | undefined;
  #fatalLine: string | undefined;
  #tainted = false;
  #killed = false;
  /** Attempts that it was given. */
  attempts = 0;
  /** It was killed and goes on all the same. */
  leaked = false;

  constructor(world: PooledHostWorld) {
    this.#world = world;
    this.#timer = world.clock.setTimeout(() => {
      this.#fault = { kind: 'error', message: `it was not ready within ${START_MS} ms` };
      this.kill();
    }, START_MS);
    this.#hosted = world.open({
      controls: { clock: world.clock, ready: () => this.#ready(), ended: (failure) => this.#ended(failure) },
      onMessage: (message) => this.#hear(message),
      onLine: (line, stream) => this.#line(line, stream),
    });
  }

  /** Resolves when it has really ended. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  get starting(): boolean {
    return this.#state === 'starting';
  }

  /** It can be given an attempt. */
  get isFree(): boolean {
    return this.#state === 'ready' && this.#attempt === undefined;
  }

  /** What an attempt left behind has failed in it: it should take no more, although it could. */
  get tainted(): boolean {
    return this.#tainted;
  }

  /** Gives it an attempt to run. Only when it is free. */
  give(attempt: HostedAttempt): void {
    this.#world.clock.clearTimeout(this.#timer);
    this.#attempt = attempt;
    this.attempts += 1;
    attempt.sit(this);
  }

  /** Ends it if nobody needs it for so long. Only when it is free. */
  endWhenIdle(ms: number): void {
    this.#world.clock.clearTimeout(this.#timer);
    this.#timer = this.#world.clock.setTimeout(() => this.end(), ms);
  }

  post(message: ToHost): void {
    if (this.#state !== 'gone') this.#hosted.post(message, []);
  }

  /** Asks it to close its services and to end; by force after a while. One that is at work is killed. */
  end(): void {
    if (this.#state === 'gone' || this.#state === 'ending') return;
    if (!this.isFree) {
      this.kill();
      return;
    }
    this.#state = 'ending';
    const { clock } = this.#world;
    clock.clearTimeout(this.#timer);
    this.#timer = clock.setTimeout(() => this.kill(), CLOSE_MS);
    this.#hosted.post({ type: 'shutdown' }, []);
    this.#world.onChange();
  }

  kill(): void {
    if (this.#state === 'gone' || this.#killed) return;
    this.#killed = true;
    this.#state = 'ending';
    const { clock, log, kind } = this.#world;
    clock.clearTimeout(this.#timer);
    this.#timer = clock.setTimeout(() => {
      this.leaked = true;
      const { type } = this.#attempt?.input.definition ?? {};
      log.error(
        { leaked: kind, type },
        `a ${kind} was killed and does not end: it is in a native call; another takes its place`,
      );
      this.#world.onChange();
    }, LEAK_MS);
    this.#hosted.kill();
    this.#world.onChange();
  }

  /** Nobody waits for it any more: its timers end. */
  abandon(): void {
    this.#world.clock.clearTimeout(this.#timer);
  }

  #ready(): void {
    if (this.#state !== 'starting') return;
    this.#state = 'ready';
    this.#wasReady = true;
    this.#world.clock.clearTimeout(this.#timer);
    this.#world.onFree(this);
  }

  #hear(message: unknown): void {
    if (!isFromHost(message)) return;
    switch (message.type) {
      case 'failed':
        this.#fault ??= message.error;
        return;
      case 'tainted':
        this.#tainted = true;
        this.#world.log.warn(
          { type: message.jobType, error: message.error.message },
          'what a handler left behind has failed',
        );
        return;
      default: {
        const attempt = this.#attempt;
        if (message.key !== attempt?.key || !attempt.hear(message)) return;
        this.#attempt = undefined;
        if (this.#state === 'ready') this.#world.onFree(this);
      }
    }
  }

  #line(line: string, stream: 'stdout' | 'stderr'): void {
    if (line.startsWith('FATAL ERROR')) this.#fatalLine ??= line;
    const log = this.#attempt?.input.context.log ?? this.#world.log;
    log.info({ stream }, line);
  }

  #ended(failure?: { readonly error: unknown }): void {
    const { clock, log, kind, onGone, onReturned } = this.#world;
    const attempt = this.#attempt;
    this.#state = 'gone';
    this.#attempt = undefined;
    clock.clearTimeout(this.#timer);
    if (this.leaked) log.info({ leaked: kind }, `a ${kind} that was killed long ago has ended`);
    const how = failure === undefined ? 'exited with code 0' : (errorText(failure.error).split('\n', 1)[0] ?? '');
    const words = [`the ${kind} ended before the handler returned`, how, this.#fatalLine].filter((word) => word);
    const ended: OutcomeError = { kind: 'killed', message: words.join(': ') };
    if (attempt?.unseated(this.#fault ?? ended)) onReturned(attempt);
    if (attempt === undefined && this.#wasReady && this.#fault !== undefined)
      log.warn({ error: this.#fault.message }, `a ${kind} for jobs failed while it had none`);
    const startError = this.#wasReady ? undefined : (this.#fault ?? { ...ended, message: how });
    this.#gone.resolve();
    onGone(this, startError);
  }
}
