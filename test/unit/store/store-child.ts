// A process that owns a store and does one task there, until it is killed.
import { systemRandom } from '../../../src/kernel/identity.ts';
import { openSqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { newJob, request, T0 } from '../../conformance/store/store-driver.ts';

const [, , path = '', task] = process.argv;
const store = openSqliteStore({ path, random: systemRandom });
process.stdout.write('open\n');
if (task === 'hold') setInterval(() => {}, 1_000_000);
for (let round = 0; task === 'work'; round++) {
  // Each round is one group; its settlements are told after the store acknowledged them.
  const claim = { now: T0 + round, queue: 'default', worker: `worker-${process.pid}`, node: 'child', limit: 5 };
  const [, found] = await store.perform([request('insert', { jobs: [newJob(), newJob()] }), request('claim', claim)]);
  // The second request was a claim.
  const claimed = found?.ok ? (found.answer as { id: string; attempt: number; run: number }[]) : [];
  const outcomes = claimed.map(
    ({ id, attempt, run }) => ({ id, attempt, run, outcome: 'complete', result: null }) as const,
  );
  await store.perform([request('settle', { now: claim.now, worker: claim.worker, outcomes })]);
  await new Promise((resolve) => process.stdout.write(`${claimed.map(({ id }) => id).join(' ')}\n`, resolve));
}
for (let group = 0; task === 'insert'; group++) {
  // Ids of this process, told only after the store acknowledged them.
  const jobs = Array.from({ length: 1 + (group % 7) }, () => newJob({ args: { text: 'x'.repeat(200) } }));
  const [reply] = await store.perform([request('insert', { jobs })]);
  const told = reply?.ok ? jobs.map(({ id }) => id).join(' ') : 'refused';
  await new Promise((resolve) => process.stdout.write(`${told}\n`, resolve));
}
