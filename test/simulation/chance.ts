import type { Random } from '../../src/kernel/identity.ts';
import { seededRandom } from '../../src/testing/testing.ts';

/** Draws from one seeded stream, in the words of a plan. */
export class Chance {
  readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  /** Whether something with this chance happens. */
  hits(chance: number): boolean {
    return this.random() < chance;
  }

  /** A whole number between both, both included. */
  between(min: number, max: number): number {
    return min + Math.floor(this.random() * (max - min + 1));
  }

  /** One of several. */
  of<T>(choices: readonly [T, ...T[]]): T {
    return choices[Math.floor(this.random() * choices.length)] ?? choices[0];
  }
}

/** A stream of its own for each part of a world, so that what one part draws moves nothing in another. */
export function streamOf(seed: number, part: string): Random {
  // FNV-1a over the name, then mixed with the seed.
  let mixed = 0x811c9dc5 ^ seed;
  for (let index = 0; index < part.length; index++) mixed = Math.imul(mixed ^ part.charCodeAt(index), 0x01000193);
  const random = seededRandom(Math.imul(mixed, 0x9e3779b1) ^ seed);
  random();
  return random;
}
