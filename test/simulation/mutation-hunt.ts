import { campaign } from './campaign.ts';
import type { Mutation } from './mutations/mutation.ts';
import { MUTATIONS } from './mutations/mutations.ts';
import { runPlan } from './run.ts';

/** The first seed of a hunt unless told otherwise: always the same, so that the list ends the same way for the same code. */
export const HUNT_FROM = 1;
/** How long load and faults go on in each run of a hunt unless told otherwise: busy all the time, in milliseconds of the world. */
export const HUNT_MS = 10 * 60_000;

/** What came of looking for one planted bug. */
export interface Hunt {
  mutation: Mutation;
  /** The seed that found it and what it said; undefined: none did. */
  found: { seed: number; rule: string; words: string } | undefined;
  /** A seed that fails without the bug, too: so it proves nothing, and is to be looked at for its own sake. */
  spoiledBy: number | undefined;
  runs: number;
  cpuMs: number;
}

/** Plants each bug of the list and looks for it in as many seeds as it may take. What finds one must not fail without it. */
export async function huntMutations(options: {
  first: number;
  activeMs: number;
  mutations?: readonly Mutation[];
  onHunt?: (hunt: Hunt) => void;
}): Promise<Hunt[]> {
  const { first, activeMs, mutations = MUTATIONS, onHunt } = options;
  const hunts: Hunt[] = [];
  for (const mutation of mutations) {
    const seeds = Array.from({ length: mutation.seedsMax }, (_, index) => first + index);
    const { failed, runs, cpuMs } = await campaign({
      ...{ seeds, modes: ['safety'], activeMs, mutation, untilBroken: true },
    });
    const without = failed && (await runPlan(failed.plan, { untilBroken: true }));
    const spoiledBy = without && without.broken.length > 0 ? without.plan.seed : undefined;
    const broken = failed?.broken[0];
    const found =
      failed && broken && spoiledBy === undefined
        ? { seed: failed.plan.seed, rule: broken.rule, words: `${broken.about} ${broken.words}` }
        : undefined;
    const hunt = { mutation, found, spoiledBy, runs, cpuMs: cpuMs + (without?.cpuMs ?? 0) };
    hunts.push(hunt);
    onHunt?.(hunt);
  }
  return hunts;
}

/** Hunts as lines of a table: the bug, how soon it was found, by which rule. */
export function mutationTable(hunts: readonly Hunt[]): string {
  return hunts
    .map(({ mutation: { name, seedsMax }, found, spoiledBy, runs, cpuMs }) => {
      const time = `${(cpuMs / 1000).toFixed(1)} s`;
      if (spoiledBy !== undefined) return `${name.padEnd(34)} NOT FOUND: seed ${spoiledBy} fails without it too`;
      if (found === undefined) return `${name.padEnd(34)} NOT FOUND in ${seedsMax} seeds, ${time}`;
      return `${name.padEnd(34)} found in run ${runs} of ${seedsMax} (seed ${found.seed}), ${time}: ${found.rule}: ${found.words}`;
    })
    .join('\n');
}
