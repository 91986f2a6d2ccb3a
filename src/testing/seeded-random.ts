import type { Random } from '../kernel/identity.ts';

/**
 * Random numbers that a seed determines: the same seed gives the same numbers, on every machine. Not for secrets.
 * The generator is mulberry32 by Tommy Ettinger (public domain): 32 bits of state, enough for tests.
 * @param seed any whole number; its lowest 32 bits count
 */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
