import { campaign } from './campaign.ts';
import type { Mutation } from './mutations/mutation.ts';
import { MUTATIONS } from './mutations/mutations.ts';

/** What came of looking for one planted bug. */
export interface Hunt {
  mutation: Mutation;
  /** The seed that found it and what it said; undefined: none did. */
  found: { seed: number; rule: string; words: string } | undefined;
  runs: number;
  realMs: number;
}

/** Plants each bug of the list and looks for it in as many seeds as it may take. */
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
    const { failed, runs, realMs } = await campaign({ seeds, modes: ['safety'], activeMs, mutation });
    const broken = failed?.broken[0];
    const found = failed &&
      broken && { seed: failed.plan.seed, rule: broken.rule, words: `${broken.about} ${broken.words}` };
    const hunt = { mutation, found, runs, realMs };
    hunts.push(hunt);
    onHunt?.(hunt);
  }
  return hunts;
}

/** Hunts as lines of a table: the bug, how soon it was found, by which rule. */
export function mutationTable(hunts: readonly Hunt[]): string {
  return hunts
    .map(({ mutation: { name, seedsMax }, found, runs, realMs }) => {
      const time = `${(realMs / 1000).toFixed(1)} s`;
      if (found === undefined) return `${name.padEnd(34)} NOT FOUND in ${seedsMax} seeds, ${time}`;
      return `${name.padEnd(34)} found in run ${runs} of ${seedsMax} (seed ${found.seed}), ${time}: ${found.rule}: ${found.words}`;
    })
    .join('\n');
}
