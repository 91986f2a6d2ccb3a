import type { Mode } from './plan.ts';

/** A run that shows what once brought a bug to light, or what few others do. */
export interface KeptSeed {
  seed: number;
  mode: Mode;
  /** How long load and faults go on, in milliseconds of the world. */
  activeMs: number;
  why: string;
}

const activeMs = 4 * 60_000;

/** Runs that every check repeats. Together they see all that must be seen somewhere, so that a check is not inconclusive by chance. */
export const KEPT_SEEDS: readonly KeptSeed[] = [
  { seed: 106, mode: 'safety', activeMs, why: 'a janitor whose clock is a little ahead of the store' },
  { seed: 14, mode: 'safety', activeMs, why: 'three nodes on one store' },
  { seed: 9, mode: 'liveness', activeMs, why: 'a node with a store hangs for good' },
  { seed: 68, mode: 'safety', activeMs, why: 'the only owner of a store is killed while a rate holds' },
  { seed: 19_319, mode: 'safety', activeMs, why: 'a clock jumps and a supervisor gives up' },
  {
    seed: 910_714,
    mode: 'safety',
    activeMs,
    why: 'a killed store forgets a sign of life, and its clock steps back to it',
  },
  {
    seed: 94_702_994,
    mode: 'safety',
    activeMs,
    why: 'a frozen node pauses a queue when it thaws, long after it was asked to',
  },
];
