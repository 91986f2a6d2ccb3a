import type { Clock } from '../kernel/clock.ts';
import type { Random } from '../kernel/identity.ts';
import { type Backoff, checkBackoff } from './backoff.ts';
import { type AutoShutdown, type CheckedSpec, type ChildSpec, checkSpec, checkSpecs } from './child-spec.ts';
import type { ReportListener } from './report.ts';
import { SupervisorError } from './supervisor-error.ts';

/** Which children are restarted with the one that failed: none, all, or those after it. */
export type Strategy = 'one_for_one' | 'one_for_all' | 'rest_for_one';

/** What every supervisor has. */
interface CommonOptions {
  /** Shown in reports. */
  readonly name: string;
  /** How many restarts within `periodSeconds` are still borne. Default 1. */
  readonly intensity?: number;
  /** Whole seconds. Default 5. */
  readonly periodSeconds?: number;
  /** Default `never`. */
  readonly autoShutdown?: AutoShutdown;
  /** Beyond OTP: waits between restarts. Default: none. */
  readonly backoff?: Backoff;
}

/** A supervisor and its children, started in this order and stopped in the reverse one. */
export interface SupervisorOptions extends CommonOptions {
  /** Default `one_for_one`. */
  readonly strategy?: Strategy;
  /** Default none. */
  readonly children?: readonly ChildSpec[];
}

/** A supervisor of children that are all started at run time from one template (OTP's `simple_one_for_one`). */
export interface DynamicSupervisorOptions extends CommonOptions {
  /** `start` is given what `startChild` was given, else `input`. The ids are `<id>-<n>`. */
  readonly child: ChildSpec;
  /** More than this are refused with `max_children`. Default: no limit. */
  readonly maxChildren?: number;
}

/** The world around a tree; nested supervisors inherit it. */
export interface Environment {
  readonly clock: Clock;
  readonly onReport: ReportListener;
  readonly random: Random;
}

/** Checked options of either kind. */
export interface CheckedOptions {
  readonly name: string;
  readonly strategy: Strategy | 'dynamic';
  readonly intensity: number;
  readonly periodSeconds: number;
  readonly autoShutdown: AutoShutdown;
  readonly backoff: Backoff | undefined;
  readonly maxChildren: number;
  /** The children, or the one template of a dynamic supervisor. */
  readonly specs: readonly CheckedSpec[];
}

const STRATEGIES: readonly unknown[] = ['one_for_one', 'one_for_all', 'rest_for_one'];
const AUTO_SHUTDOWNS: readonly unknown[] = ['never', 'any_significant', 'all_significant'];

/**
 * Checks the flags of a supervisor, then its children, as OTP does.
 * @throws {SupervisorError} with OTP's word for the first thing that does not fit
 */
export function checkOptions(options: SupervisorOptions): CheckedOptions {
  const { strategy = 'one_for_one', children = [] } = options;
  if (!STRATEGIES.includes(strategy)) throw new SupervisorError('invalid_strategy', `strategy: ${String(strategy)}`);
  const common = checkCommon(options);
  return { ...common, strategy, maxChildren: Infinity, specs: checkSpecs(children, common.autoShutdown) };
}

/**
 * Checks the flags of a dynamic supervisor, then its template.
 * @throws {SupervisorError} with OTP's word for the first thing that does not fit
 */
export function checkDynamicOptions(options: DynamicSupervisorOptions): CheckedOptions {
  const { maxChildren = Infinity } = options;
  const common = checkCommon(options);
  if (maxChildren !== Infinity && !(Number.isSafeInteger(maxChildren) && maxChildren >= 0)) {
    throw new SupervisorError('invalid_max_children', `maxChildren: ${String(maxChildren)}`);
  }
  return { ...common, strategy: 'dynamic', maxChildren, specs: [checkSpec(options.child, common.autoShutdown)] };
}

function checkCommon(options: CommonOptions) {
  const { name, intensity = 1, periodSeconds = 5, autoShutdown = 'never' } = options;
  if (!(Number.isSafeInteger(intensity) && intensity >= 0)) {
    throw new SupervisorError('invalid_intensity', `intensity: ${String(intensity)}`);
  }
  if (!(Number.isSafeInteger(periodSeconds) && periodSeconds > 0)) {
    throw new SupervisorError('invalid_period', `periodSeconds: ${String(periodSeconds)}`);
  }
  if (!AUTO_SHUTDOWNS.includes(autoShutdown)) {
    throw new SupervisorError('invalid_auto_shutdown', `autoShutdown: ${String(autoShutdown)}`);
  }
  const backoff = checkBackoff(options.backoff, `supervisor "${name}"`);
  return { name: String(name ?? 'supervisor'), intensity, periodSeconds, autoShutdown, backoff };
}
