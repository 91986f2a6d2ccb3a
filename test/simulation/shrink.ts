import type { PlantedBug } from './mutations/mutation.ts';
import type { Plan } from './plan.ts';
import type { RunResult } from './run.ts';
import { runnerFor } from './runner.ts';

/** The smallest failing run that was found. */
export interface Shrunk {
  result: RunResult;
  /** How many runs it took. */
  runs: number;
}

/** What it takes at most. */
export interface ShrinkOptions {
  mutation?: PlantedBug;
  runsMax: number;
  realMsMax?: number;
}

/**
 * Leaves faults out as long as the same rule is broken: first halves, then ever smaller parts (delta debugging).
 * @param options how many runs it may take, and after how many milliseconds no further one begins
 */
export async function shrink(failed: RunResult, options: ShrinkOptions): Promise<Shrunk> {
  const { mutation, runsMax, realMsMax = Number.POSITIVE_INFINITY } = options;
  const run = await runnerFor(mutation);
  let leftMs = realMsMax;
  const rule = failed.broken[0]?.rule;
  let best = failed;
  let runs = 0;
  const stillFails = async (faults: Plan['faults']): Promise<boolean> => {
    runs += 1;
    const result = await run({ ...best.plan, faults }, mutation === undefined ? {} : { mutation });
    leftMs -= result.realMs;
    const same = result.broken.some((broken) => broken.rule === rule);
    if (same) best = result;
    return same;
  };
  let size = Math.ceil(best.plan.faults.length / 2);
  while (size > 0 && runs < runsMax && leftMs > 0) {
    let from = 0;
    while (from < best.plan.faults.length && runs < runsMax && leftMs > 0) {
      const { faults } = best.plan;
      const without = [...faults.slice(0, from), ...faults.slice(from + size)];
      if (!(await stillFails(without))) from += size;
    }
    size = size === 1 ? 0 : Math.ceil(size / 2);
  }
  return { result: best, runs };
}
