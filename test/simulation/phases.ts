import type { Chance } from './chance.ts';

/** A queue with a limit of its own kind. */
export type LimitedQueue = 'capped' | 'rated' | 'tenants';
/** What clients mostly ask for in a busy phase: nothing in particular, jobs with the same keys, or jobs of one such queue. */
export type Focus = 'mixed' | 'keyed' | LimitedQueue;

/** A stretch in which much is asked for. Between two of them it is quiet, as at night. All in milliseconds of the world. */
export interface BusyPhase {
  fromMs: number;
  untilMs: number;
  /** Mean time between two things that clients do. */
  meanMs: number;
  focus: Focus;
}

/** Mean time between two things that clients do while it is quiet, in milliseconds. */
export const QUIET_MEAN_MS = 90_000;

/** A world that is active for no longer than this is busy all the time, in milliseconds. */
const ALL_BUSY_MS = 10 * 60_000;
const FIRST_MS = 1_000;
/** A rate is the hardest to reach, and is not looked at where clocks differ. */
const FOCUSES: readonly [Focus, ...Focus[]] = ['mixed', 'keyed', 'capped', 'tenants', 'rated', 'rated'];

/** Draws when a world is busy, and with what. There is at least one phase. */
export function phasesOf(chance: Chance, activeMs: number): [BusyPhase, ...BusyPhase[]] {
  const restMs = (): number => (activeMs <= ALL_BUSY_MS ? 0 : chance.between(8 * 60_000, 25 * 60_000));
  const phaseFrom = (fromMs: number): BusyPhase => {
    const untilMs = Math.min(fromMs + chance.between(90_000, 240_000), activeMs);
    return { fromMs, untilMs, meanMs: chance.of([1_500, 2_000, 6_000]), focus: chance.of(FOCUSES) };
  };
  const phases: [BusyPhase, ...BusyPhase[]] = [phaseFrom(FIRST_MS)];
  for (let fromMs = phases[0].untilMs + restMs(); fromMs < activeMs; ) {
    const phase = phaseFrom(fromMs);
    phases.push(phase);
    fromMs = phase.untilMs + restMs();
  }
  return phases;
}

/** The phase that is on at a time of the world, in milliseconds. */
export const phaseAt = (phases: readonly BusyPhase[], atMs: number): BusyPhase | undefined =>
  phases.find(({ fromMs, untilMs }) => fromMs <= atMs && atMs < untilMs);
