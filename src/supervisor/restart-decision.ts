import type { AutoShutdown, RestartType } from './child-spec.ts';
import { type Exit, isAbnormal } from './exit.ts';
import { addRestart, type RestartLimit, type RestartTimes } from './restart-window.ts';
import type { Strategy } from './supervisor-options.ts';

/** What the decision needs to know of a child. `restarting`: a restart of it failed or is waited for. */
export interface ChildFacts {
  readonly spec: { readonly restart: RestartType; readonly significant: boolean };
  readonly status: 'running' | 'restarting' | 'stopped';
}

/** A supervisor at the moment of a decision. The children are in start order. */
export interface SupervisorFacts {
  readonly strategy: Strategy | 'dynamic';
  readonly autoShutdown: AutoShutdown;
  readonly limit: RestartLimit;
  readonly children: ReadonlyMap<string, ChildFacts>;
  readonly restartTimes: RestartTimes;
}

/**
 * What happened. `exited`: the child ended by itself (it still counts as `running` in the facts). `retry`: its last
 * restart failed and it is time to try again; `counted` when the restart was counted before, at the exit.
 */
export type SupervisorEvent =
  | { readonly type: 'exited'; readonly id: string; readonly exit: Exit; readonly monotonicMs: number }
  | { readonly type: 'retry'; readonly id: string; readonly counted: boolean; readonly monotonicMs: number };

/**
 * What to do.
 *
 * `rest`: nothing; the child's spec is kept, or forgotten with `forget`; `thenEnd` when that was the end of the
 * supervisor too (auto shutdown). `restart`: stop what runs among `stop`, in that order, forget those of `forget`, then
 * start `start`, in that order. `give-up`: too many restarts; stop everything and end.
 */
export type Decision =
  | { readonly do: 'rest'; readonly forget: boolean; readonly thenEnd: boolean }
  | {
      readonly do: 'restart';
      readonly stop: readonly string[];
      readonly forget: readonly string[];
      readonly start: readonly string[];
      readonly restartTimes: RestartTimes;
    }
  | { readonly do: 'give-up' };

/**
 * OTP 25's rules: `do_restart/3`, `restart/2,3` and `do_auto_shutdown/2` of supervisor.erl, as a pure function.
 * The caller has made sure that the event is not stale.
 */
export function decide(facts: SupervisorFacts, event: SupervisorEvent): Decision {
  const child = facts.children.get(event.id);
  if (child === undefined) return { do: 'rest', forget: false, thenEnd: false };
  if (event.type === 'exited' && !isRestarted(child.spec.restart, event.exit)) {
    const forget = child.spec.restart === 'temporary' || facts.strategy === 'dynamic';
    return { do: 'rest', forget, thenEnd: child.spec.significant && endsSupervisor(facts, event.id) };
  }
  if (event.type === 'retry' && event.counted) {
    return { do: 'restart', ...groupOf(facts, event.id), restartTimes: facts.restartTimes };
  }
  const { times, exceeded } = addRestart(facts.restartTimes, event.monotonicMs, facts.limit);
  if (exceeded) return { do: 'give-up' };
  return { do: 'restart', ...groupOf(facts, event.id), restartTimes: times };
}

function isRestarted(restart: RestartType, exit: Exit): boolean {
  return restart === 'permanent' || (restart === 'transient' && isAbnormal(exit));
}

/** Whether the end of this significant child ends the supervisor. */
function endsSupervisor(facts: SupervisorFacts, id: string): boolean {
  if (facts.autoShutdown !== 'all_significant') return facts.autoShutdown === 'any_significant';
  for (const [otherId, other] of facts.children) {
    if (otherId !== id && other.spec.significant && other.status !== 'stopped') return false;
  }
  return true;
}

/** Which children a restart of one concerns. Temporary ones are stopped and forgotten, never started again. */
function groupOf(facts: SupervisorFacts, id: string): { stop: string[]; forget: string[]; start: string[] } {
  if (facts.strategy === 'one_for_one' || facts.strategy === 'dynamic') return { stop: [], forget: [], start: [id] };
  const stop: string[] = [];
  const forget: string[] = [];
  const start: string[] = [];
  let inGroup = facts.strategy === 'one_for_all';
  for (const [memberId, member] of facts.children) {
    inGroup ||= memberId === id;
    if (!inGroup) continue;
    if (memberId !== id) stop.push(memberId);
    if (member.spec.restart === 'temporary') forget.push(memberId);
    else start.push(memberId);
  }
  return { stop: stop.reverse(), forget, start };
}
