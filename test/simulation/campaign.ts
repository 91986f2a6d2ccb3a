import type { Mutation } from './mutations/mutation.ts';
import { type Mode, planOf } from './plan.ts';
import { type RunResult, runPlan } from './run.ts';
import { Sightings } from './sightings.ts';

/** What a set of runs came to. */
export interface CampaignResult {
  runs: number;
  failed: RunResult | undefined;
  sightings: Sightings;
  simulatedMs: number;
  realMs: number;
  cpuMs: number;
  jobs: number;
  messages: number;
}

/** Which runs. */
export interface CampaignOptions {
  seeds: Iterable<number>;
  modes: readonly Mode[];
  activeMs?: number;
  mutation?: Mutation;
  /** No further run begins after so many milliseconds of the machine. */
  realMsMax?: number;
  onRun?: (result: RunResult, soFar: CampaignResult) => void;
}

/** Runs seed after seed, in the modes in turn, until one fails or there is no more. */
export async function campaign(options: CampaignOptions): Promise<CampaignResult> {
  const { seeds, modes, activeMs, mutation, realMsMax = Number.POSITIVE_INFINITY, onRun } = options;
  const soFar: CampaignResult = {
    runs: 0,
    failed: undefined,
    sightings: new Sightings(),
    simulatedMs: 0,
    ...{ realMs: 0, cpuMs: 0, jobs: 0, messages: 0 },
  };
  for (const seed of seeds) {
    if (soFar.realMs >= realMsMax) break;
    const mode = modes[soFar.runs % modes.length] ?? 'safety';
    const result = await runPlan(planOf(seed, mode, activeMs), mutation);
    soFar.runs += 1;
    soFar.simulatedMs += result.simulatedMs;
    soFar.realMs += result.realMs;
    soFar.cpuMs += result.cpuMs;
    soFar.jobs += result.jobs;
    soFar.messages += result.messages;
    soFar.sightings.add(result.sightings);
    if (result.broken.length > 0) soFar.failed = result;
    onRun?.(result, soFar);
    if (soFar.failed !== undefined) break;
  }
  return soFar;
}

/** Simulated seconds in one second that the machine worked on them. */
export const speedOf = ({ simulatedMs, cpuMs }: { simulatedMs: number; cpuMs: number }): number =>
  Math.round(simulatedMs / Math.max(cpuMs, 1));

/** How much happens in a second of the world, in words. */
export function densityOf({ simulatedMs, jobs, messages }: Pick<CampaignResult, 'simulatedMs' | 'jobs' | 'messages'>) {
  const perSecond = (count: number): string => ((count * 1000) / Math.max(simulatedMs, 1)).toFixed(2);
  return `${perSecond(jobs)} jobs and ${perSecond(messages)} messages between programs in a simulated second`;
}
