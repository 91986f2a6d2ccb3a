import { KEPT_SEEDS, type KeptSeed } from './kept-seeds.ts';
import { CHECKER_FAULTS } from './mutations/checker-faults.ts';
import { FOUND_BUGS } from './mutations/found-bugs.ts';
import type { FoundBug } from './mutations/mutation.ts';
import { type Mode, planOf } from './plan.ts';
import { type Broken, runPlan } from './run.ts';
import { runnerFor } from './runner.ts';

/** Every bug that the simulation found, its own faults among them. */
export const ALL_FOUND: readonly FoundBug[] = [...FOUND_BUGS, ...CHECKER_FAULTS];

/** What a kept seed said with the bug that it once found. */
export interface FoundAgain {
  bug: FoundBug;
  /** Undefined: no kept seed names the bug. */
  kept: KeptSeed | undefined;
  /** The first promise that it broke. */
  broken: Broken | undefined;
  /** It breaks one without the bug, too: so it proves nothing. */
  spoiled: boolean;
  cpuMs: number;
}

/** Plants each bug that was found and runs the kept seed that found it. */
export async function findAgain(options: {
  /** Also runs the seed without the bug. */
  without: boolean;
  onFound?: (found: FoundAgain) => void;
}): Promise<FoundAgain[]> {
  const all: FoundAgain[] = [];
  for (const bug of ALL_FOUND) {
    const kept = KEPT_SEEDS.find(({ finds }) => finds === bug.name);
    const found: FoundAgain = { bug, kept, broken: undefined, spoiled: false, cpuMs: 0 };
    if (kept !== undefined) {
      const plan = planOf(kept.seed, kept.mode, kept.activeMs);
      const run = await runnerFor(bug);
      const planted = await run(plan, { untilBroken: true });
      const clean = options.without ? await runPlan(plan, { untilBroken: true }) : undefined;
      found.broken = planted.broken[0];
      found.spoiled = (clean?.broken.length ?? 0) > 0;
      found.cpuMs = planted.cpuMs + (clean?.cpuMs ?? 0);
    }
    all.push(found);
    options.onFound?.(found);
  }
  return all;
}

/**
 * Looks for a seed that breaks a promise with a bug and none without it: what is kept when a bug was found, and when the
 * world has changed so that the kept seed no longer meets it.
 */
export async function seekSeed(
  bug: FoundBug,
  options: { first: number; count: number; modes: readonly Mode[]; activeMs: number },
): Promise<(Omit<KeptSeed, 'why'> & { broken: Broken }) | undefined> {
  const { first, count, modes, activeMs } = options;
  const run = await runnerFor(bug);
  for (let seed = first; seed < first + count; seed++) {
    for (const mode of modes) {
      const plan = planOf(seed, mode, activeMs);
      const [broken] = (await run(plan, { untilBroken: true })).broken;
      if (broken === undefined || (await runPlan(plan)).broken.length > 0) continue;
      return { seed, mode, activeMs, finds: bug.name, broken };
    }
  }
  return undefined;
}

/** Whether the kept seed still finds its bug. */
export const isFoundAgain = ({ broken, spoiled }: FoundAgain): boolean => broken !== undefined && !spoiled;

/** One of them as a line of a table. */
export function foundLine({ bug, kept, broken, spoiled, cpuMs }: FoundAgain): string {
  const name = bug.name.padEnd(34);
  if (kept === undefined) return `${name} NOT FOUND: no kept seed says that it finds it`;
  if (spoiled) return `${name} NOT FOUND: seed ${kept.seed} fails without it too`;
  if (broken === undefined)
    return `${name} NOT FOUND by seed ${kept.seed}; the world is another one: --found --mutation ${bug.name} looks for a new one`;
  return `${name} found by kept seed ${kept.seed}, ${(cpuMs / 1000).toFixed(1)} s: ${broken.rule}: ${broken.about} ${broken.words}`;
}
