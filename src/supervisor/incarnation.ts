import { type AnyActor, type AnyActorLogic, createActor } from 'xstate';
import type { TimerHandle } from '../kernel/clock.ts';
import type { CheckedSpec, Shutdown } from './child-spec.ts';
import type { Exit } from './exit.ts';
import { Family } from './family.ts';
import { isGraceful } from './graceful.ts';
import { bequeath, nestedOf } from './nested.ts';
import { SupervisorError } from './supervisor-error.ts';
import type { Environment } from './supervisor-options.ts';

/** What a stopped child holds outside (a thread, a process) gets this long to be gone; beyond it has leaked. */
const LEAKED_AFTER_MS = 5000;

/** What one life of a child begins with. */
export interface IncarnationOptions {
  readonly spec: CheckedSpec;
  readonly input: unknown;
  /** Which life of the child this is, from 1. */
  readonly number: number;
  readonly environment: Environment;
  /** Called once, when the child has ended and what it held outside is gone. */
  readonly onExit: () => void;
}

/** Why a start failed. */
export interface StartFailure {
  readonly cause: unknown;
}

/** How a start went. The actor may have ended again by now. */
export type StartOutcome = { readonly actor: AnyActor } | StartFailure;

/** One life of a child: its own XState root actor, from its start to its exit. */
export class Incarnation {
  readonly number: number;
  readonly #options: IncarnationOptions;
  readonly #family = new Family();
  readonly #gone = Promise.withResolvers<Exit>();
  #logic: AnyActorLogic | undefined;
  #actor: AnyActor | undefined;
  /** Who ends it: nobody yet, the supervisor by asking, or the supervisor by force. */
  #ending: 'no' | 'asked' | 'forced' = 'no';
  #exit: Exit | undefined;
  /** Promises that were on their way when it was told to end. */
  #suspects: readonly AnyActor[] = [];
  #onChange: (() => void) | undefined;
  readonly #abandoned = Promise.withResolvers<StartFailure>();

  constructor(options: IncarnationOptions) {
    this.number = options.number;
    this.#options = options;
  }

  /** The actor while it runs. */
  get actor(): AnyActor | undefined {
    return this.#exit ? undefined : this.#actor;
  }

  /** Resolves when it has ended and what it held outside is gone. */
  get gone(): Promise<Exit> {
    return this.#gone.promise;
  }

  /**
   * Starts the actor and waits until it is ready. When that fails nothing of it runs any more.
   */
  async start(): Promise<StartOutcome> {
    const { spec, input, environment } = this.#options;
    const { clock } = environment;
    try {
      this.#logic = spec.start(input);
      const actor: AnyActor = createActor(this.#logic, {
        id: spec.id,
        input,
        inspect: this.#family.inspect,
        clock: {
          setTimeout: (fn: () => void, ms: number) => clock.setTimeout(fn, ms),
          clearTimeout: (handle: TimerHandle) => clock.clearTimeout(handle),
        },
      });
      this.#actor = actor;
      this.#watch(actor);
      bequeath(actor, environment);
      actor.start();
      const failure = this.#failure() ?? (await this.#awaitReady(actor));
      if (!failure) return { actor };
      await this.gone;
      return failure;
    } catch (cause) {
      this.#end({ kind: 'error', error: cause });
      return { cause };
    }
  }

  #watch(actor: AnyActor): void {
    actor.subscribe({
      next: () => this.#onChange?.(),
      error: (error: unknown) => this.#end({ kind: 'error', error }),
      complete: () => this.#end(this.#completion(actor)),
    });
  }

  #completion(actor: AnyActor): Exit {
    // Only a final state is told from the snapshot: after a stop some logics still say `active`.
    const done = actor.getSnapshot()?.status === 'done';
    if (done) return nestedOf(actor)?.exit ?? { kind: this.#ending === 'no' ? 'normal' : 'shutdown' };
    return { kind: this.#ending === 'asked' ? 'shutdown' : 'killed' };
  }

  #failure(): StartFailure | undefined {
    return this.#exit?.kind === 'error' ? { cause: this.#exit.error } : undefined;
  }

  async #awaitReady(actor: AnyActor): Promise<StartFailure | undefined> {
    const { spec, environment } = this.#options;
    const nested = nestedOf(actor);
    if (!nested && !spec.ready) return undefined;
    const { startTimeoutMs } = spec;
    const late = (): void =>
      this.abandonStart(new SupervisorError('start_timeout', `"${spec.id}" not ready in ${startTimeoutMs} ms`));
    const timer = startTimeoutMs === undefined ? undefined : environment.clock.setTimeout(late, startTimeoutMs);
    const outcome = await Promise.race([this.#abandoned.promise, this.#readiness(actor, nested?.settled)]);
    if (timer !== undefined) environment.clock.clearTimeout(timer);
    this.#onChange = undefined;
    if (outcome === 'ready') return undefined;
    if (outcome === 'ended') return this.#failure() ?? { cause: new SupervisorError('ended_before_ready', spec.id) };
    // A supervisor that still starts serves no request to stop; but it can give up, and then it ends.
    nested?.abandonStart(outcome.cause);
    await this.stop(spec.shutdown);
    return outcome;
  }

  /** Makes a start fail that still waits for readiness; the child is stopped as its spec says. */
  abandonStart(cause: unknown): void {
    this.#abandoned.resolve({ cause });
  }

  async #readiness(actor: AnyActor, settled: Promise<void> | undefined): Promise<'ready' | 'ended' | StartFailure> {
    if (settled) {
      await settled;
      if (this.#exit && this.#exit.kind !== 'shutdown') return 'ended';
    }
    const { ready } = this.#options.spec;
    return new Promise((resolve) => {
      const look = (): void => {
        try {
          if (!ready || ready(actor.getSnapshot())) resolve('ready');
          else if (this.#exit) resolve('ended');
        } catch (cause) {
          resolve({ cause });
        }
      };
      this.#onChange = look;
      look();
    });
  }

  /**
   * Ends it as its `shutdown` says: asks first if the logic understands that, and uses force when the time is over.
   * @returns how it ended, also when it had ended before
   */
  async stop(shutdown: Shutdown): Promise<Exit> {
    const actor = this.actor;
    if (!actor || !this.#logic) return this.gone;
    if (shutdown === 'brutal_kill') return this.kill();
    if (!isGraceful(this.#logic)) {
      this.#ending = 'asked';
      return this.#force(actor);
    }
    const { clock } = this.#options.environment;
    const timer = shutdown === 'infinity' ? undefined : clock.setTimeout(() => void this.kill(), shutdown);
    this.#ending = 'asked';
    this.#suspects = this.#family.promisesInFlight();
    actor.send({ type: 'shutdown' });
    const exit = await this.gone;
    if (timer !== undefined) clock.clearTimeout(timer);
    return exit;
  }

  /** Ends it at once. The actor is stopped when this returns; the promise waits for what it held outside. */
  kill(): Promise<Exit> {
    const actor = this.actor;
    if (!actor) return this.gone;
    this.#ending = 'forced';
    return this.#force(actor);
  }

  #force(actor: AnyActor): Promise<Exit> {
    this.#suspects = this.#family.promisesInFlight();
    actor.stop();
    return this.gone;
  }

  #end(exit: Exit): void {
    if (this.#exit) return;
    const leaked = this.#suspects.some((promise) => !['done', 'error'].includes(promise.getSnapshot().status));
    this.#exit = leaked ? { ...exit, leaked: true } : exit;
    this.#family.stopAll();
    this.#onChange?.();
    const cleanups = this.#family.cleanups();
    if (cleanups.length === 0) this.#settle(this.#exit);
    else void this.#settleAfter(cleanups, this.#exit);
  }

  async #settleAfter(cleanups: Promise<void>[], exit: Exit): Promise<void> {
    const { clock } = this.#options.environment;
    const { promise: late, resolve: onLate } = Promise.withResolvers<'late'>();
    const timer = clock.setTimeout(() => onLate('late'), LEAKED_AFTER_MS);
    const outcome = await Promise.race([late, Promise.all(cleanups)]);
    clock.clearTimeout(timer);
    this.#settle(outcome === 'late' ? { ...exit, leaked: true } : exit);
  }

  #settle(exit: Exit): void {
    this.#exit = exit;
    this.#gone.resolve(exit);
    this.#options.onExit();
  }

  /** How it ended, once {@link gone}. */
  get exit(): Exit | undefined {
    return this.#exit;
  }
}
