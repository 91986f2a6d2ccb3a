import { expect, test } from 'vitest';
import { outagesOf } from './chaos-faults.ts';
import { type ChaosReport, runChaos } from './chaos-run.ts';

const SEED = Number(process.env.ROTA_SEED ?? 7);
const FOR_MS = 20_000;
const OUTAGE_MS = 10_000;

/** All was kept, and something was done. */
function kept({ broken, recoveries, acknowledged, published, committed }: ChaosReport): void {
  const told = recoveries.map(
    ({ fault, firstMs, drainedMs }) => `${fault}: works ${firstMs} ms, drained ${drainedMs} ms later`,
  );
  console.log(told.join('\n'));
  expect(broken).toEqual([]);
  expect(recoveries.length).toBeGreaterThan(2);
  expect(acknowledged).toBeGreaterThan(50);
  expect(published).toBeGreaterThan(20);
  expect(committed).toBeGreaterThan(20);
}

test(`a fleet keeps its promises under faults (ROTA_SEED=${SEED} repeats it)`, { timeout: 180_000 }, async () => {
  kept(await runChaos({ seed: SEED, forMs: FOR_MS }));
});

test('loses nothing while PostgreSQL, NATS and both are away under load', { timeout: 240_000 }, async () => {
  const afterwards = (...[fleet, chance]: Parameters<typeof outagesOf>) => outagesOf(fleet, chance, OUTAGE_MS);
  kept(await runChaos({ seed: SEED, forMs: 0, afterwards }));
});
