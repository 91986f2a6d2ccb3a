import type { Mode } from './plan.ts';

/** A run that shows what once brought a bug to light, or what few others do. */
export interface KeptSeed {
  seed: number;
  mode: Mode;
  /** How long load and faults go on, in milliseconds of the world. */
  activeMs: number;
  why: string;
  /** The bug that it once found (`mutations/found-bugs`, `mutations/checker-faults`), and finds again where that is planted. */
  finds?: string;
}

/** How long load and faults go on in them, in milliseconds of the world. */
export const KEPT_MS = 4 * 60_000;
const activeMs = KEPT_MS;

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
    finds: 'stepped-back-to-a-lost-sign',
  },
  {
    seed: 94_702_994,
    mode: 'safety',
    activeMs,
    why: 'a node that thaws works on where everything was lifted meanwhile',
  },
  {
    seed: 1_710_387,
    mode: 'liveness',
    activeMs,
    why: 'a schedule is run by hand twice in a millisecond, and the first job purged in between',
    finds: 'second-run-by-hand',
  },
  {
    seed: 700_529,
    mode: 'liveness',
    activeMs,
    why: 'a store fails while its owner starts again, and the bus comes back',
    finds: 'failed-start-listens-on',
  },
  {
    seed: 2_710_079,
    mode: 'liveness',
    activeMs,
    why: 'a node stops while its handlers work',
  },
  {
    seed: 40,
    mode: 'safety',
    activeMs,
    why: 'the only owner of a store is killed and soon back, and the janitors are elsewhere',
    finds: 'rescue-soon-after-a-restart',
  },
  {
    seed: 5,
    mode: 'safety',
    activeMs,
    why: 'claims of a queue with a rate are held up at a store',
    finds: 'late-start-clears-the-rate',
  },
  {
    seed: 71,
    mode: 'liveness',
    activeMs,
    why: 'a rate is changed while a slow store is asked when the next job may start',
    finds: 'changed-rate-arms-two-timers',
  },
  {
    seed: 20_000_040,
    mode: 'liveness',
    activeMs,
    why: 'an order to run comes twice, or later than what became of it',
    finds: 'order-to-run-twice-or-late',
  },
  {
    seed: 8,
    mode: 'liveness',
    activeMs,
    why: 'a janitor whose clock is ahead of the store',
    finds: 'janitor-never-rests',
  },
  {
    seed: 11_000_088,
    mode: 'safety',
    activeMs,
    why: 'a store comes back only with the end of the load, and nobody leads yet',
    finds: 'last-ticks-not-waited-for',
  },
];
