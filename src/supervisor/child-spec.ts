import type { AnyActorLogic, AnyActorRef } from 'xstate';
import { type Backoff, checkBackoff } from './backoff.ts';
import { SupervisorError, type SupervisorErrorCode } from './supervisor-error.ts';

/** `permanent`: always restarted. `transient`: after an abnormal exit only. `temporary`: never, and then forgotten. */
export type RestartType = 'permanent' | 'transient' | 'temporary';
/** How long a child may take to stop, in milliseconds; without asking; or as long as it takes. */
export type Shutdown = number | 'brutal_kill' | 'infinity';
/** What a child says it is; decides the default of `shutdown`, and where it is counted. */
export type ChildType = 'worker' | 'supervisor';
/** Whether a supervisor ends itself when one, or the last, of its significant children has ended. */
export type AutoShutdown = 'never' | 'any_significant' | 'all_significant';

/** How a child is started, restarted and stopped. Data: nothing happens before a supervisor takes it. */
export interface ChildSpec {
  /** Unique under its supervisor. */
  readonly id: string;
  /**
   * Answers the logic to run; called anew for each attempt. `input` is also given to the actor.
   * (Written as a method so that a spec may narrow the type of its own input.)
   */
  start(input: unknown): AnyActorLogic;
  readonly input?: unknown;
  /** Default `permanent`. */
  readonly restart?: RestartType;
  /** Default 5000 for a worker, `infinity` for a supervisor. */
  readonly shutdown?: Shutdown;
  /** Default `worker`. */
  readonly type?: ChildType;
  /** Its end counts for the supervisor's `autoShutdown`. Default false. */
  readonly significant?: boolean;
  /** Beyond OTP: waits between restarts; default the supervisor's, which is none. */
  readonly backoff?: Backoff;
  /** Beyond OTP: the start, readiness included, fails after this many milliseconds. Default: no limit. */
  readonly startTimeoutMs?: number;
  /** Beyond OTP: the child counts as started once this is true of its snapshot. Default: at once. */
  ready?(snapshot: ReturnType<AnyActorRef['getSnapshot']>): boolean;
}

/** A spec that passed the check, with its defaults filled in. */
export interface CheckedSpec {
  readonly id: string;
  readonly start: (input: unknown) => AnyActorLogic;
  readonly input: unknown;
  readonly restart: RestartType;
  readonly shutdown: Shutdown;
  readonly type: ChildType;
  readonly significant: boolean;
  readonly backoff: Backoff | undefined;
  readonly startTimeoutMs: number | undefined;
  readonly ready: ((snapshot: unknown) => boolean) | undefined;
}

const RESTART_TYPES: readonly unknown[] = ['permanent', 'transient', 'temporary'];
const CHILD_TYPES: readonly unknown[] = ['worker', 'supervisor'];

/**
 * Checks one child spec, in the order in which OTP 25's `do_check_childspec/2` does.
 * @throws {SupervisorError} with OTP's word for the first field that does not fit
 */
export function checkSpec(spec: ChildSpec, autoShutdown: AutoShutdown): CheckedSpec {
  const { id, restart = 'permanent', type = 'worker', significant = false } = spec ?? {};
  const { startTimeoutMs, ready } = spec ?? {};
  if (typeof id !== 'string') refuse('missing_id', 'a child spec needs an id, a string', id);
  if (typeof spec.start !== 'function') refuse('missing_start', `child "${id}" needs a start function`, spec.start);
  if (!RESTART_TYPES.includes(restart)) refuse('invalid_restart_type', `restart of child "${id}"`, restart);
  checkSignificant(spec, autoShutdown);
  if (!CHILD_TYPES.includes(type)) refuse('invalid_child_type', `type of child "${id}"`, type);
  const shutdown = spec.shutdown ?? (type === 'supervisor' ? 'infinity' : 5000);
  if (shutdown !== 'brutal_kill' && shutdown !== 'infinity' && !isCount(shutdown)) {
    refuse('invalid_shutdown', `shutdown of child "${id}"`, shutdown);
  }
  if (startTimeoutMs !== undefined && !isCount(startTimeoutMs)) {
    refuse('invalid_start_timeout', `startTimeoutMs of child "${id}"`, startTimeoutMs);
  }
  if (ready !== undefined && typeof ready !== 'function') refuse('invalid_ready', `ready of child "${id}"`, ready);
  return {
    id,
    start: (input) => spec.start(input),
    input: spec.input,
    restart,
    shutdown,
    type,
    significant,
    backoff: checkBackoff(spec.backoff, `child "${id}"`),
    startTimeoutMs,
    ready: ready && ((snapshot) => ready.call(spec, snapshot)),
  };
}

/**
 * Checks a list of child specs.
 * @throws {SupervisorError} also for an id that is there twice (`duplicate_child_name`)
 */
export function checkSpecs(specs: readonly ChildSpec[], autoShutdown: AutoShutdown): CheckedSpec[] {
  const ids = new Set<string>();
  return specs.map((spec) => {
    const checked = checkSpec(spec, autoShutdown);
    if (ids.has(checked.id))
      throw new SupervisorError('duplicate_child_name', `two children are named "${checked.id}"`);
    ids.add(checked.id);
    return checked;
  });
}

function checkSignificant({ id, restart, significant }: ChildSpec, autoShutdown: AutoShutdown): void {
  if (significant === true && autoShutdown === 'never') {
    refuse('bad_combination', `child "${id}" is significant, but autoShutdown is`, autoShutdown);
  }
  if (significant === true && (restart ?? 'permanent') === 'permanent') {
    refuse('bad_combination', `child "${id}" is significant, but its restart is`, 'permanent');
  }
  if (significant !== undefined && typeof significant !== 'boolean') {
    refuse('invalid_significant', `significant of child "${id}"`, significant);
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function refuse(code: SupervisorErrorCode, what: string, value: unknown): never {
  throw new SupervisorError(code, `${what}: ${String(value)}`);
}
