import type { Mode } from './plan.ts';

/** A run that once showed a bug, or that shows something which few others do. */
export interface KeptSeed {
  seed: number;
  mode: Mode;
  /** How long load and faults go on, in milliseconds of the world. */
  activeMs: number;
  why: string;
}

/** Runs that every check repeats. */
export const KEPT_SEEDS: readonly KeptSeed[] = [
  { seed: 4, mode: 'safety', activeMs: 5 * 60_000, why: 'the janitor had a clock ahead of the store and never rested' },
  { seed: 2, mode: 'safety', activeMs: 5 * 60_000, why: 'three nodes on one store, kills and lost answers' },
  { seed: 3, mode: 'liveness', activeMs: 5 * 60_000, why: 'one node stays away and the others go on' },
];
