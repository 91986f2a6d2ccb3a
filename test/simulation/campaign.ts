import type { KeptSeed } from './kept-seeds.ts';
import type { PlantedBug } from './mutations/mutation.ts';
import { type Fault, type Mode, type Plan, planOf } from './plan.ts';
import type { RunResult } from './run.ts';
import { runnerFor } from './runner.ts';
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
  mutation?: PlantedBug;
  /** Come first, each in its own mode and for its own time. */
  kept?: readonly KeptSeed[];
  /** Which faults of each plan happen; all when left out. */
  faults?: (fault: Fault, index: number) => boolean;
  /** A run goes no further once a promise is broken. */
  untilBroken?: boolean;
  /** No further run begins after so many milliseconds of the machine. */
  realMsMax?: number;
  onRun?: (result: RunResult, soFar: CampaignResult) => void;
}

/** Runs seed after seed, in the modes in turn, until one fails or there is no more. */
export async function campaign(options: CampaignOptions): Promise<CampaignResult> {
  const { mutation, untilBroken = false, realMsMax = Number.POSITIVE_INFINITY, faults = () => true, onRun } = options;
  const how = { untilBroken, ...(mutation === undefined ? {} : { mutation }) };
  const soFar: CampaignResult = {
    runs: 0,
    failed: undefined,
    sightings: new Sightings(),
    simulatedMs: 0,
    ...{ realMs: 0, cpuMs: 0, jobs: 0, messages: 0 },
  };
  const run = await runnerFor(mutation);
  for (const plan of plansOf(options)) {
    if (soFar.realMs >= realMsMax) break;
    const result = await run({ ...plan, faults: plan.faults.filter(faults) }, how);
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

function* plansOf({ kept = [], seeds, modes, activeMs }: CampaignOptions): Generator<Plan> {
  for (const { seed, mode, activeMs: itsMs } of kept) yield planOf(seed, mode, itsMs);
  let turn = 0;
  for (const seed of seeds) {
    yield planOf(seed, modes[turn % modes.length] ?? 'safety', activeMs);
    turn += 1;
  }
}

/** Simulated seconds in one second that the machine worked on them. */
export const speedOf = ({ simulatedMs, cpuMs }: { simulatedMs: number; cpuMs: number }): number =>
  Math.round(simulatedMs / Math.max(cpuMs, 1));

/** How much happens in a second of the world, in words. */
export function densityOf({ simulatedMs, jobs, messages }: Pick<CampaignResult, 'simulatedMs' | 'jobs' | 'messages'>) {
  const perSecond = (count: number): string => ((count * 1000) / Math.max(simulatedMs, 1)).toFixed(2);
  return `${perSecond(jobs)} jobs and ${perSecond(messages)} messages between programs in a simulated second`;
}

/** What a campaign proves, as one line. Without a broken promise it proves nothing of what never came about. */
export function verdictOf({ failed, sightings, runs }: Pick<CampaignResult, 'failed' | 'sightings' | 'runs'>): string {
  if (failed !== undefined) return `broken: seed ${failed.plan.seed} in run ${runs}`;
  const { missing } = sightings;
  if (missing.length > 0) return `inconclusive: no promise was broken, but never seen: ${missing.join(', ')}`;
  return 'kept: no promise was broken, and all was seen that must be seen somewhere';
}
