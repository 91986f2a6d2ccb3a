import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { it } from 'vitest';
import type { JobStore } from '../../src/store/job-store.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { StoreDriver } from '../conformance/store/store-driver.ts';
import { expectOutbox, LIFE_COMMANDS } from './job-life-commands.ts';
import { LifeModel } from './job-life-model.ts';

/** `ROTA_SEED` and `ROTA_RUNS` repeat or lengthen a run; a failure prints its seed and path. */
const SEED = process.env.ROTA_SEED === undefined ? {} : { seed: Number(process.env.ROTA_SEED) };
const RUNS = Number(process.env.ROTA_RUNS ?? 0);
const random = () => 0.5;

/** Runs random commands against a store and the model. */
async function follow(commands: Iterable<fc.AsyncCommand<LifeModel, Real>>, open: () => JobStore, durable: boolean) {
  const model = new LifeModel();
  const driver = new StoreDriver(open());
  const reopen = async () => open();
  const real: Real = durable ? { driver, reopen } : { driver };
  try {
    await fc.asyncModelRun(() => ({ model, real }), commands);
    await expectOutbox(model, driver);
  } finally {
    await driver.store.close();
  }
}

type Real = { driver: StoreDriver; reopen?: () => Promise<JobStore> };

it("keeps the rules of a job's life under any commands", async () => {
  await fc.assert(
    fc.asyncProperty(fc.commands(LIFE_COMMANDS, { maxCommands: 150, size: 'max' }), (commands) =>
      follow(commands, () => openSqliteStore({ path: ':memory:', random }), false),
    ),
    { numRuns: RUNS || 120, ...SEED },
  );
});

it('keeps them over restarts', async () => {
  await fc.assert(
    fc.asyncProperty(fc.commands(LIFE_COMMANDS, { maxCommands: 60, size: 'max' }), async (commands) => {
      const folder = mkdtempSync(join(tmpdir(), 'rota-life-'));
      try {
        await follow(commands, () => openSqliteStore({ path: join(folder, 'store.db'), random }), true);
      } finally {
        rmSync(folder, { recursive: true });
      }
    }),
    { numRuns: RUNS || 15, ...SEED },
  );
});
