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
  {
    seed: 31,
    mode: 'safety',
    activeMs: 4 * 60_000,
    why: 'a janitor whose clock was a little ahead of the store never rested',
  },
  { seed: 2, mode: 'safety', activeMs: 4 * 60_000, why: 'three nodes on one store' },
  { seed: 7003, mode: 'liveness', activeMs: 4 * 60_000, why: 'a node with a store hangs for good' },
];
