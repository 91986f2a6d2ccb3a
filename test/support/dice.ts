import type { Random } from '../../src/kernel/identity.ts';
import { seededRandom } from '../../src/testing/seeded-random.ts';

/** What a test that draws draws with. */
export interface Dice {
  /** From 0 to 1. */
  random: Random;
  /** A whole number from 0 to one less than `count`. */
  below(count: number): number;
  /** One of a list, which is not empty. */
  one<T>(list: readonly T[]): T;
}

/** Dice that a seed determines. */
export function diceOf(seed: number): Dice {
  const random = seededRandom(seed);
  const below = (count: number): number => Math.floor(random() * count);
  return { random, below, one: <T>(list: readonly T[]): T => list[below(list.length)] as T };
}
