import { nextTurn } from '../kernel/clock.ts';
import { backoffMs } from './backoff.ts';
import { type ChildRecord, cancelRetry, newRecord, type Retry } from './child-record.ts';
import { type Exit, reasonOf } from './exit.ts';
import { Incarnation, type StartFailure, type StartOutcome } from './incarnation.ts';
import { Mailbox } from './mailbox.ts';
import type { Report } from './report.ts';
import { type Decision, decide, type SupervisorEvent } from './restart-decision.ts';
import type { RestartTimes } from './restart-window.ts';
import { failedToStart, SupervisorError } from './supervisor-error.ts';
import type { CheckedOptions, Environment } from './supervisor-options.ts';

/** What waits in the one mailbox. */
type Message =
  | { readonly type: 'start' }
  | { readonly type: 'stop' }
  | { readonly type: 'exit'; readonly record: ChildRecord; readonly life: Incarnation }
  | { readonly type: 'retry'; readonly record: ChildRecord; readonly retry: Retry }
  | { readonly type: 'call'; readonly run: () => Promise<void>; readonly refuse: (error: SupervisorError) => void };

/**
 * One supervisor at work. It serves its mailbox and does what {@link decide} says; what it keeps, it does not know.
 */
export class Keeper {
  readonly options: CheckedOptions;
  /** In start order. */
  readonly children = new Map<string, ChildRecord>();
  /** How many starts from the template were tried, for the ids of dynamic children. */
  dynamicStarts = 0;
  readonly #environment: Environment;
  readonly #mailbox = new Mailbox<Message>((message) => this.#serve(message));
  readonly #settled = Promise.withResolvers<void>();
  readonly #exited = Promise.withResolvers<Exit>();
  readonly #onExit: (exit: Exit) => void;
  #exit: Exit | undefined;
  #restartTimes: RestartTimes = [];
  #starting: Incarnation | undefined;
  #abandoned: StartFailure | undefined;

  /** @param onExit called once when the supervisor has ended by itself or on request, not when it was killed */
  constructor(options: CheckedOptions, environment: Environment, onExit: (exit: Exit) => void = () => {}) {
    this.options = options;
    this.#environment = environment;
    this.#onExit = onExit;
    this.#mailbox.post({ type: 'start' });
  }

  /** Resolves when all children have started, or the supervisor has ended. */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  get exited(): Promise<Exit> {
    return this.#exited.promise;
  }

  get exit(): Exit | undefined {
    return this.#exit;
  }

  /** Stops the children in reverse and ends, after what waits in the mailbox already. */
  requestStop(): void {
    if (!this.#exit) this.#mailbox.post({ type: 'stop' });
  }

  /**
   * Runs a call in its turn.
   * @returns what `work` does; rejects with `noproc` on a dead supervisor, also when it ends before or meanwhile
   */
  call<T>(work: () => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    promise.catch(() => {}); // a caller who does not look at the refusal shall not bring the process down
    const refuse = () => reject(new SupervisorError('noproc', `supervisor "${this.options.name}" is dead`));
    const run = async (): Promise<void> => {
      try {
        const result = await work();
        if (this.#exit) refuse();
        else resolve(result);
      } catch (error) {
        if (this.#exit) refuse();
        else reject(error);
      }
    };
    if (this.#exit) refuse();
    else this.#mailbox.post({ type: 'call', run, refuse });
    return promise;
  }

  /** Makes the first start fail, if it still goes on: what has started is stopped again. */
  abandonStart(cause: unknown): void {
    this.#abandoned = { cause };
    this.#starting?.abandonStart(cause);
  }

  /** Ends at once and takes all children along. The promise waits for what they held outside. */
  async kill(exit: Exit = { kind: 'killed' }): Promise<void> {
    if (this.#exit) return;
    this.#close(exit);
    void this.#starting?.kill();
    const records = [...this.children.values()].reverse();
    for (const { life } of records) void life?.kill();
    for (const record of records) await this.halt(record);
    this.#exited.resolve(exit);
  }

  /** Nothing in here throws but by a fault of ours or of the clock: then the supervisor crashes, as any child would. */
  async #serve(message: Message): Promise<void> {
    try {
      await this.#handle(message);
    } catch (error) {
      const exit: Exit = { kind: 'error', error };
      await this.kill(exit);
      this.#onExit(exit);
    }
  }

  #handle(message: Message): void | Promise<void> {
    if (this.#exit) {
      if (message.type === 'call') message.refuse(new SupervisorError('noproc', `"${this.options.name}" is dead`));
      return;
    }
    switch (message.type) {
      case 'start':
        return this.#startAll();
      case 'stop':
        return this.#end({ kind: 'shutdown' });
      case 'call':
        return message.run();
      case 'exit':
        return this.#serveExit(message.record, message.life);
      case 'retry':
        return this.#serveRetry(message.record, message.retry);
    }
  }

  async #startAll(): Promise<void> {
    if (this.options.strategy !== 'dynamic') {
      for (const spec of this.options.specs) this.children.set(spec.id, newRecord(spec, spec.input));
    }
    for (const record of this.children.values()) {
      const outcome = this.#abandoned ?? (await this.launch(record));
      if (this.#exit) return;
      if ('cause' in outcome) return this.#end({ kind: 'error', error: failedToStart(record.spec.id, outcome.cause) });
    }
    this.#settled.resolve();
  }

  /** The first start, or a later one, of a child that does not run. Reports how it went. */
  async launch(record: ChildRecord): Promise<StartOutcome> {
    const life: Incarnation = new Incarnation({
      spec: record.spec,
      input: record.input,
      number: ++record.incarnation,
      environment: this.#environment,
      onExit: () => this.#mailbox.post({ type: 'exit', record, life }),
    });
    cancelRetry(record, this.#environment.clock);
    this.#starting = life;
    const outcome = await life.start();
    this.#starting = undefined;
    if (this.#exit) {
      await life.kill();
      return { cause: new SupervisorError('noproc', `"${this.options.name}" was killed`) };
    }
    if ('cause' in outcome) {
      record.lastReason = reasonOf({ kind: 'error', error: outcome.cause });
      this.#report('start-failed', record, { reason: record.lastReason });
      return outcome;
    }
    record.life = life;
    record.status = 'running';
    record.startedAtMs = this.#environment.clock.monotonicMs();
    record.starts += 1;
    if (record.starts === 1) this.#report('child-started', record);
    else this.#report('child-restarted', record, { reason: record.lastReason });
    return outcome;
  }

  /** Stops a child if it runs, and cancels its retry. It costs no restart, however it ends. */
  async halt(record: ChildRecord): Promise<void> {
    cancelRetry(record, this.#environment.clock);
    const { life } = record;
    if (life) {
      const exit = await life.stop(record.spec.shutdown);
      this.#noteExit(record, life, exit);
    }
    if (!record.life) record.status = 'stopped';
  }

  #noteExit(record: ChildRecord, life: Incarnation, exit: Exit): void {
    if (record.life !== life) return;
    record.life = undefined;
    record.lastReason = reasonOf(exit);
    this.#report('child-exited', record, {
      reason: record.lastReason,
      ...(exit.leaked ? { leaked: true } : {}),
    });
  }

  #serveExit(record: ChildRecord, life: Incarnation): Promise<void> | void {
    const { exit } = life;
    if (record.life !== life || !exit) return;
    this.#noteExit(record, life, exit);
    return this.#obey(record, { type: 'exited', id: record.spec.id, exit, monotonicMs: this.#monotonicMs() });
  }

  #serveRetry(record: ChildRecord, retry: Retry): Promise<void> | void {
    if (record.retry !== retry) return;
    record.retry = undefined;
    const { counted } = retry;
    return this.#obey(record, { type: 'retry', id: record.spec.id, counted, monotonicMs: this.#monotonicMs() });
  }

  async #obey(record: ChildRecord, event: SupervisorEvent): Promise<void> {
    const { strategy, autoShutdown } = this.options;
    const decision = decide(
      { strategy, autoShutdown, limit: this.options, children: this.children, restartTimes: this.#restartTimes },
      event,
    );
    record.status = 'stopped';
    switch (decision.do) {
      case 'rest':
        if (decision.forget) this.children.delete(record.spec.id);
        return decision.thenEnd ? this.#end({ kind: 'shutdown' }) : undefined;
      case 'give-up':
        this.#report('gave-up', record, { reason: 'reached_max_restart_intensity' });
        return this.#end({ kind: 'shutdown' });
      case 'restart':
        return this.#restart(record, event, decision);
    }
  }

  async #restart(offender: ChildRecord, event: SupervisorEvent, decision: Decision & { do: 'restart' }): Promise<void> {
    this.#restartTimes = decision.restartTimes;
    for (const id of decision.stop) {
      const record = this.children.get(id);
      if (record) await this.halt(record);
      if (this.#exit) return;
    }
    for (const id of decision.forget) this.children.delete(id);
    if (event.type === 'exited' && this.#backoffOf(offender)) return this.#retryLater(offender, { counted: true });
    for (const id of decision.start) {
      const record = this.children.get(id);
      if (!record) continue;
      const outcome = await this.launch(record);
      if (this.#exit) return;
      if ('cause' in outcome) return this.#retryLater(record, { counted: false });
    }
  }

  #retryLater(record: ChildRecord, retry: Retry): void {
    const { clock, random } = this.#environment;
    const backoff = this.#backoffOf(record);
    record.status = 'restarting';
    record.retry = retry;
    const post = (): void => this.#mailbox.post({ type: 'retry', record, retry });
    if (!backoff) {
      nextTurn(post);
      return;
    }
    if (this.#monotonicMs() - record.startedAtMs >= backoff.maxMs && retry.counted) record.attempt = 0;
    retry.timer = clock.setTimeout(post, backoffMs(backoff, record.attempt, random));
    record.attempt += 1;
  }

  #backoffOf(record: ChildRecord) {
    return record.spec.backoff ?? this.options.backoff;
  }

  /** Stops all children, in reverse order or, for a dynamic supervisor, together; then it is over. */
  async #end(exit: Exit): Promise<void> {
    const records = [...this.children.values()].reverse();
    if (this.options.strategy === 'dynamic') await Promise.all(records.map((record) => this.halt(record)));
    else for (const record of records) await this.halt(record);
    if (this.#exit) return; // killed meanwhile
    this.#close(exit);
    this.#exited.resolve(exit);
    this.#onExit(exit);
  }

  #close(exit: Exit): void {
    this.#exit = exit;
    for (const record of this.children.values()) cancelRetry(record, this.#environment.clock);
    this.#settled.resolve();
  }

  #report(type: Report['type'], record: ChildRecord, more: Pick<Report, 'reason' | 'leaked'> = {}): void {
    const { name } = this.options;
    const report: Report = { type, supervisor: name, id: record.spec.id, incarnation: record.incarnation, ...more };
    try {
      this.#environment.onReport(report);
    } catch {
      // A listener's fault is none of the supervisor's, and there is nobody here to tell it to.
    }
  }

  #monotonicMs(): number {
    return this.#environment.clock.monotonicMs();
  }
}
