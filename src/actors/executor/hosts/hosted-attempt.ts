import type { Outcome, OutcomeError } from '../../../job/outcome.ts';
import { nextTurn, type TimerHandle } from '../../../kernel/clock.ts';
import { errorText, RotaError } from '../../../kernel/error.ts';
import { type AttemptInput, failedAttempt, type RunningAttempt, timeoutError } from '../attempt.ts';
import { type AttemptNews, type EnqueueAnswer, HANDLER_LOG_LEVELS, type ToHost } from './host-messages.ts';

/** What an attempt may do with the thread or process that it was given. */
export interface AttemptSeat {
  post(message: ToHost): void;
  kill(): void;
}

/** How long a handler may take to return once its time is over or its job lost, in milliseconds; then it is killed. */
const KILL_AFTER_MS = 1_000;
/** How long a thread or process may take to begin with a handler; busy with what the one before it left behind. */
const BEGIN_MS = 10_000;
/** How often an attempt whose handler was never called is given another thread or process. */
const SEATS_MAX = 3;

/** An attempt that waits for a thread or process, or runs in one. This side of it. */
export class HostedAttempt implements RunningAttempt {
  readonly key: number;
  readonly input: AttemptInput;
  readonly outcome: Promise<Outcome>;
  readonly ended: Promise<void>;
  readonly #how = Promise.withResolvers<Outcome>();
  readonly #end = Promise.withResolvers<void>();
  readonly #withdraw: () => void;
  #seat: AttemptSeat | undefined;
  #seats = 0;
  #started = false;
  #over = false;
  #timer: TimerHandle;
  #killTimer: TimerHandle;

  /** @param options `withdraw` takes it out of the queue in which it waits */
  constructor(input: AttemptInput, options: { key: number; withdraw: (attempt: HostedAttempt) => void }) {
    this.key = options.key;
    this.input = input;
    this.outcome = this.#how.promise;
    this.ended = this.#end.promise;
    this.#withdraw = () => options.withdraw(this);
    input.context.signal.addEventListener('abort', this.#aborted, { once: true });
  }

  /** Takes a thread or process that is ready. */
  sit(seat: AttemptSeat): void {
    const { definition, context, attempt } = this.input;
    this.#seat = seat;
    this.#seats += 1;
    const { key } = this;
    seat.post({ type: 'run', key, jobType: definition.type, attempt, args: context.args, job: context.job });
    this.#timer = this.#after(BEGIN_MS, () => seat.kill());
  }

  /**
   * The thread or process has ended.
   * @returns whether the handler was never called, so that another one may run it
   */
  unseated(error: OutcomeError): boolean {
    this.#clearTimers();
    this.#seat = undefined;
    if (this.#started || this.#seats >= SEATS_MAX) this.fail(error);
    else if (this.input.context.signal.aborted) this.#finish({ outcome: 'release' });
    else return true;
    return false;
  }

  /** Ends it with an error that is not the handler's own. */
  fail(error: OutcomeError): void {
    this.#finish(failedAttempt(error, this.input.definition, this.input.attempt));
  }

  /** Takes what the thread or process tells. Answers whether the handler has returned. */
  hear(news: AttemptNews): boolean {
    const { context, definition, attempt } = this.input;
    switch (news.type) {
      case 'started':
        this.#start();
        return false;
      case 'outcome':
        this.#finish(news.outcome);
        return true;
      case 'crashed':
        this.#how.resolve(failedAttempt(news.error, definition, attempt));
        return false;
      case 'log':
        // A process is not ours: what it names must be one of the levels.
        if (HANDLER_LOG_LEVELS.includes(news.level)) context.log[news.level](news.fields, news.message);
        return false;
      case 'progress':
        context.progress(news.value);
        return false;
      case 'enqueue':
        this.#enqueue(news);
        return false;
    }
  }

  readonly terminate = (): void => {
    if (this.#seat !== undefined) this.#seat.kill();
    else if (!this.#over) this.#leave();
  };

  readonly #aborted = (): void => {
    const { reason } = this.input.context.signal;
    if (this.#seat === undefined) {
      this.#leave();
      return;
    }
    this.#seat.post({ type: 'abort', key: this.key, reason });
    // Somebody else runs a job that was lost: a cancelled one may take its time.
    if (reason === 'lost') this.#killSoon();
  };

  /** It waits no more; its handler was never called. */
  #leave(): void {
    this.#withdraw();
    this.#finish({ outcome: 'release' });
  }

  #start(): void {
    const { timeoutMs, definition, attempt, onTimeout } = this.input;
    this.#started = true;
    this.input.clock.clearTimeout(this.#timer);
    if (timeoutMs === null) return;
    this.#timer = this.#after(timeoutMs, () => {
      this.#how.resolve(failedAttempt(timeoutError(timeoutMs), definition, attempt));
      onTimeout();
      this.#killSoon();
    });
  }

  #killSoon(): void {
    this.#killTimer ??= this.#after(KILL_AFTER_MS, () => this.#seat?.kill());
  }

  /** What has arrived while this thread was busy is heard first: a timer that is late must not judge without it. */
  #after(ms: number, act: () => void): TimerHandle {
    const seat = this.#seats;
    const started = this.#started;
    return this.input.clock.setTimeout(() => {
      nextTurn(() => {
        if (!this.#over && this.#seat !== undefined && this.#seats === seat && this.#started === started) act();
      });
    }, ms);
  }

  #enqueue({ key, call, jobType, args, options }: AttemptNews & { type: 'enqueue' }): void {
    const answer = (how: EnqueueAnswer): void => this.#seat?.post({ type: 'answer', key, call, answer: how });
    this.input.context.enqueue(jobType, args, options).then(
      (value) => answer({ ok: true, value }),
      (error: unknown) => {
        const { code, issues = [] } = error instanceof RotaError ? error : { code: undefined };
        answer({ ok: false, error: { code, message: errorText(error), issues } });
      },
    );
  }

  #finish(outcome: Outcome): void {
    this.#over = true;
    this.#seat = undefined;
    this.#clearTimers();
    this.input.context.signal.removeEventListener('abort', this.#aborted);
    this.#how.resolve(outcome);
    this.#end.resolve();
  }

  #clearTimers(): void {
    const { clock } = this.input;
    clock.clearTimeout(this.#timer);
    clock.clearTimeout(this.#killTimer);
    this.#killTimer = undefined;
  }
}
