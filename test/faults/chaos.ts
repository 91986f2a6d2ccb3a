// npm run chaos -- [--minutes 10] [--seed N] [--no-outages]: a fleet under faults for as long as one likes.
import { parseArgs } from 'node:util';
import { outagesOf } from './chaos-faults.ts';
import { runChaos } from './chaos-run.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    'no-outages': { type: 'boolean', default: false },
  },
});
const seed = Number(values.seed);
const forMs = Number(values.minutes) * 60_000;
const OUTAGES_MS = 190_000;

console.log(`seed ${seed}`);
const startMs = performance.now();
const say = (text: string): void => console.log(`${((performance.now() - startMs) / 1_000).toFixed(1)} s  ${text}`);
const withOutages = !values['no-outages'];
const report = await runChaos({
  ...{ seed, say, forMs: withOutages ? Math.max(0, forMs - OUTAGES_MS) : forMs },
  ...(withOutages ? { afterwards: outagesOf } : {}),
});

const sorted = (pick: 'firstMs' | 'drainedMs'): number[] =>
  report.recoveries.map((one) => one[pick]).sort((a, b) => a - b);
for (const pick of ['firstMs', 'drainedMs'] as const) {
  const all = sorted(pick);
  console.log(`${pick}: p50 ${all[Math.floor(all.length / 2)]}, max ${all.at(-1)}`);
}
for (const { fault, firstMs, drainedMs } of report.recoveries) {
  console.log(`${fault}: a completion after ${firstMs} ms, drained after ${drainedMs} ms`);
}
console.log(`${report.recoveries.length} faults, ${report.acknowledged} acknowledged, ${report.jobs} jobs`);
console.log(`${report.published} messages published, ${report.committed} transactions committed`);
for (const line of report.broken.slice(0, 50)) console.log(`BROKEN ${line}`);
console.log(
  report.broken.length === 0 ? 'all promises kept' : `${report.broken.length} promises broken (seed ${seed})`,
);
process.exitCode = report.broken.length === 0 ? 0 : 1;
