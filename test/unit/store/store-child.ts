// A process that owns a store and does one task there, until it is killed.
import { systemRandom } from '../../../src/kernel/identity.ts';
import { openSqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { newJob, request } from '../../conformance/store/store-driver.ts';

const [, , path = '', task] = process.argv;
const store = openSqliteStore({ path, random: systemRandom });
process.stdout.write('open\n');
if (task === 'hold') setInterval(() => {}, 1_000_000);
for (let group = 0; task === 'insert'; group++) {
  // Ids of this process, told only after the store acknowledged them.
  const jobs = Array.from({ length: 1 + (group % 7) }, () => newJob({ args: { text: 'x'.repeat(200) } }));
  const [reply] = await store.perform([request('insert', { jobs })]);
  const told = reply?.ok ? jobs.map(({ id }) => id).join(' ') : 'refused';
  await new Promise((resolve) => process.stdout.write(`${told}\n`, resolve));
}
