import { parseArgs } from 'node:util';
import { type CampaignResult, campaign, densityOf, speedOf, verdictOf } from './campaign.ts';
import { failureReport } from './failure-report.ts';
import { ALL_FOUND, findAgain, foundLine, isFoundAgain, seekSeed } from './found-again.ts';
import { KEPT_MS, KEPT_SEEDS } from './kept-seeds.ts';
import { HUNT_FROM, HUNT_MS, huntMutations, mutationTable } from './mutation-hunt.ts';
import { MUTATIONS } from './mutations/mutations.ts';
import type { Mode } from './plan.ts';
import { ACTIVE_MS } from './plan.ts';
import type { RunResult } from './run.ts';
import { shrink } from './shrink.ts';
import { lineText } from './trace.ts';

const USAGE = `npm run simulate -- [--seed N] [--seeds COUNT] [--forever] [--mode safety|liveness|both] [--minutes M]
                        [--mutations] [--found] [--mutation NAME] [--faults LIST] [--ci] [--seconds S] [--trace]
  --seed N      the first seed (default: drawn from the clock, with --mutations ${HUNT_FROM}); alone: one run
  --seeds N     that many seeds from it on
  --forever     seed after seed until one fails
  --mode        both takes them in turn (default safety)
  --minutes M   how long load and faults go on in each run, in minutes of the world
                (default ${ACTIVE_MS / 60_000}; up to 10 it is busy all the time; with --mutations ${HUNT_MS / 60_000})
  --mutations   plants each bug of the list and looks for it, then does as --found, also without the bugs
  --found       plants each bug that was once found, where it was, and runs the kept seed that found it; with --mutation
                looks for a seed to keep instead, that fails only with this bug (--seed 1 --seeds 500 --minutes ${KEPT_MS / 60_000})
  --mutation N  plants one of them, for looking at what a failure says
  --faults LIST only these faults of the plan, by their numbers from 0, or none
  --ci          the kept seeds, then new ones in both modes until the time is over
  --seconds S   no further run begins after so many seconds (with --ci 180)
  --trace       prints everything that happened
The last line of a run of seeds says "kept", "inconclusive" or "broken". Inconclusive: some fault or turn of events that
must be seen somewhere never came about, which a few new seeds may well do by chance, so it ends with 0. Broken ends with 1.`;

const SHRINK_RUNS_MAX = 40;
const SHRINK_MS_MAX = 120_000;
/** How long a check before a merge takes. */
const CI_SECONDS = 180;

const { values } = parseArgs({
  options: {
    ...{ seed: { type: 'string' }, seeds: { type: 'string' }, forever: { type: 'boolean' }, mode: { type: 'string' } },
    ...{ minutes: { type: 'string' }, mutations: { type: 'boolean' }, mutation: { type: 'string' } },
    found: { type: 'boolean' },
    ...{ faults: { type: 'string' }, ci: { type: 'boolean' }, seconds: { type: 'string' } },
    ...{ trace: { type: 'boolean' }, help: { type: 'boolean' } },
  },
});

function* seedsFrom(first: number, count: number): Generator<number> {
  for (let seed = first; seed < first + count; seed++) yield seed;
}

function progress(result: RunResult, soFar: CampaignResult): void {
  const { plan, jobs, fingerprint, broken } = result;
  const end = broken.length === 0 ? 'kept' : `${broken.length} BROKEN`;
  const run = `seed ${plan.seed} ${plan.mode} ${plan.topology} ${plan.nodes.length} nodes ${plan.faults.length} faults ${jobs} jobs`;
  if (values.trace) for (const line of result.trace.lines) console.log(lineText(line));
  console.log(`${run}: ${end} ${fingerprint.slice(0, 12)} ${speedOf(result)}x`);
  if (soFar.runs % 20 === 0) {
    const hours = (soFar.simulatedMs / 3_600_000).toFixed(1);
    console.log(
      `-- ${soFar.runs} runs, ${hours} simulated hours, ${soFar.jobs} jobs, ${speedOf(soFar)} simulated seconds a second; ${densityOf(soFar)}`,
    );
  }
}

async function hunt(first: number, activeMs: number): Promise<number> {
  const hunts = await huntMutations({ first, activeMs, onHunt: (one) => console.log(mutationTable([one])) });
  const found = hunts.filter((one) => one.found !== undefined).length;
  const cpuMs = hunts.reduce((sum, one) => sum + one.cpuMs, 0);
  console.log(`${found} of ${hunts.length} found, ${(cpuMs / 1000).toFixed(0)} s of processor time`);
  return found === hunts.length ? 0 : 1;
}

async function again(without: boolean): Promise<number> {
  const bugs = await findAgain({ without, onFound: (one) => console.log(foundLine(one)) });
  const found = bugs.filter(isFoundAgain).length;
  console.log(`${found} of ${bugs.length} that were found before found again`);
  return found === bugs.length ? 0 : 1;
}

async function seek(name: string, first: number): Promise<number> {
  const bug = ALL_FOUND.find((one) => one.name === name);
  if (bug === undefined) throw new Error(`there is no ${name}`);
  const [count, activeMs] = [Number(values.seeds ?? 500), Number(values.minutes ?? KEPT_MS / 60_000) * 60_000];
  const kept = await seekSeed(bug, { first, count, modes: ['safety', 'liveness'], activeMs });
  console.log(kept === undefined ? `not found in ${count} seeds` : JSON.stringify(kept));
  return kept === undefined ? 1 : 0;
}

async function simulate(): Promise<number> {
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const first = Number(values.seed ?? (values.mutations ? HUNT_FROM : Date.now() % 1_000_000_000));
  const activeMs = Number(values.minutes ?? (values.mutations ? HUNT_MS : ACTIVE_MS) / 60_000) * 60_000;
  if (values.found && values.mutation !== undefined) return seek(values.mutation, Number(values.seed ?? HUNT_FROM));
  if (values.found) return again(false);
  if (values.mutations) return Math.max(await hunt(first, activeMs), await again(true));
  const modes: readonly Mode[] =
    values.mode === 'both' || values.ci ? ['safety', 'liveness'] : [values.mode === 'liveness' ? 'liveness' : 'safety'];
  const count =
    values.forever || values.ci || values.seconds !== undefined ? Number.POSITIVE_INFINITY : Number(values.seeds ?? 1);
  const mutation = [...MUTATIONS, ...ALL_FOUND].find(({ name }) => name === values.mutation);
  const planted = mutation === undefined ? {} : { mutation };
  if (values.mutation !== undefined && mutation === undefined) throw new Error(`there is no ${values.mutation}`);
  const only = values.faults?.split(',').map(Number);
  const seconds = Number(values.seconds ?? (values.ci ? CI_SECONDS : Number.POSITIVE_INFINITY));
  const result = await campaign({
    ...{ seeds: seedsFrom(first, count), modes, activeMs, ...planted, onRun: progress, realMsMax: seconds * 1_000 },
    ...(values.ci ? { kept: KEPT_SEEDS } : {}),
    ...(only === undefined ? {} : { faults: (_fault, index) => only.includes(index) }),
  });
  const { failed, sightings, runs } = result;
  console.log(
    `${runs} runs, ${(result.simulatedMs / 1000).toFixed(0)} simulated seconds, ${speedOf(result)} in a second of processor time; ${densityOf(result)}`,
  );
  console.log(`seen: ${sightings.text()}`);
  console.log(verdictOf(result));
  if (failed === undefined) return 0;
  const shrunk = await shrink(failed, { ...planted, runsMax: SHRINK_RUNS_MAX, realMsMax: SHRINK_MS_MAX });
  console.log(failureReport(failed, shrunk, mutation?.name));
  return 1;
}

process.exitCode = await simulate();
