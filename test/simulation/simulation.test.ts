import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { campaign, speedOf, verdictOf } from './campaign.ts';
import { commit, failureReport } from './failure-report.ts';
import { ALL_FOUND } from './found-again.ts';
import { KEPT_SEEDS } from './kept-seeds.ts';
import { HUNT_FROM, huntMutations, mutationTable } from './mutation-hunt.ts';
import { MUTATIONS } from './mutations/mutations.ts';
import { planOf } from './plan.ts';
import { runPlan } from './run.ts';
import { shrink } from './shrink.ts';
import { Sightings, WANTED } from './sightings.ts';

/** How long load and faults go on in the runs here, in milliseconds of the world. */
const ACTIVE_MS = 4 * 60_000;
/** New seeds are tried for at most so long, in milliseconds. */
const NEW_SEEDS_MS = 240_000;
/** So many, two to three minutes on a quiet machine. */
const NEW_SEEDS_MAX = 300;
/** Mutations that every check plants; `npm run simulate -- --mutations` plants them all. */
const PLANTED = ['ack-before-commit', 'claim-ignoring-run', 'settled-and-not-written'];

/** A busy machine may be slow. */
const PATIENCE_MS = 600_000;

/** Each commit has new seeds, and the same ones wherever it is checked: a failure there is a failure here. */
function seedOf(commitHash: string): number {
  const digits = Number.parseInt(commitHash.slice(0, 7), 16);
  return Number.isNaN(digits) ? Date.now() % 1_000_000_000 : digits;
}

describe('a simulated fleet', { timeout: PATIENCE_MS }, () => {
  test('replays exactly from its seed', async () => {
    const plan = planOf(7, 'safety', ACTIVE_MS);
    const [one, same] = [await runPlan(plan), await runPlan(plan)];
    const other = await runPlan(planOf(8, 'safety', ACTIVE_MS / 2));
    expect(one.trace.count).toBeGreaterThan(1_000);
    expect(same.fingerprint).toBe(one.fingerprint);
    expect(other.fingerprint).not.toBe(one.fingerprint);
  });

  test.each(KEPT_SEEDS)('keeps its promises with seed $seed ($why)', async ({ seed, mode, activeMs }) => {
    const { failed } = await campaign({ seeds: [seed], modes: [mode], activeMs });
    expect(failed && failureReport(failed, { result: failed, runs: 0 })).toBeUndefined();
  });

  test('keeps its promises with new seeds', async () => {
    const first = seedOf(commit());
    const seeds = Array.from({ length: NEW_SEEDS_MAX }, (_, index) => first + index);
    const modes = ['safety', 'liveness'] as const;
    const result = await campaign({ seeds, modes, activeMs: ACTIVE_MS, realMsMax: NEW_SEEDS_MS });
    const { failed, runs, sightings } = result;
    console.log(
      `${runs} new seeds from ${first}, ${speedOf(result)} simulated seconds a second; ${verdictOf(result)}; seen: ${sightings.text()}`,
    );
    expect(failed && failureReport(failed, await shrink(failed, { runsMax: 10 }))).toBeUndefined();
    expect(sightings.counts.size, 'faults happened').toBeGreaterThan(0);
  });

  test('finds each bug again that it once found, by the kept seed that did', async () => {
    // Copies of the modules with a bug in them are made where Node itself loads them.
    const program = fileURLToPath(new URL('simulate.ts', import.meta.url));
    const ended = await promisify(execFile)(process.execPath, [program, '--found']).catch((error: unknown) => error);
    expect(ended).toMatchObject({ stdout: expect.stringContaining(`${ALL_FOUND.length} of ${ALL_FOUND.length}`) });
  });

  test('finds planted bugs', async () => {
    const mutations = MUTATIONS.filter(({ name }) => PLANTED.includes(name));
    expect(mutations).toHaveLength(PLANTED.length);
    const hunts = await huntMutations({ first: HUNT_FROM, activeMs: ACTIVE_MS, mutations });
    expect(
      hunts.filter(({ found }) => found === undefined),
      mutationTable(hunts),
    ).toEqual([]);
  });
});

test('a campaign that did not see all that must be seen says that it proves nothing of it', () => {
  const all = new Sightings();
  const few = new Sightings();
  for (const what of WANTED) {
    all.saw(what);
    if (what !== 'fault kill') few.saw(what);
  }
  expect(verdictOf({ failed: undefined, sightings: all, runs: 9 })).toMatch(/^kept:/);
  expect(verdictOf({ failed: undefined, sightings: few, runs: 9 })).toMatch(/^inconclusive: .*never seen: fault kill$/);
});

test('each bug that was found has its kept seed and its test', () => {
  const found = KEPT_SEEDS.flatMap(({ finds }) => finds ?? []);
  expect(found.toSorted()).toEqual(ALL_FOUND.map(({ name }) => name).toSorted());
  const root = new URL('../../', import.meta.url);
  for (const { name, test: file } of ALL_FOUND) if (file) expect(existsSync(new URL(file, root)), name).toBe(true);
});
