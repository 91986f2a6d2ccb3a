import { Client } from 'pg';
import { afterEach, expect, it, vi } from 'vitest';
import { followingClock, systemClock } from '../../../src/kernel/clock.ts';
import { systemRandom, uuidSource } from '../../../src/kernel/identity.ts';
import { openPostgresStore } from '../../../src/store/postgres/postgres-store.ts';
import { withSettings } from '../../../src/store/postgres/settings.ts';
import { ALL_PLACES, failure, laterJob, newJob, StoreDriver, T0 } from '../../conformance/store/store-driver.ts';
import { freshDatabase } from '../../support/postgres/fresh-database.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** Each statement of the hot paths by what it begins with, and the indexes of jobs that it may use, no more. */
const HOT: readonly { begins: RegExp; by: readonly string[] }[] = [
  { begins: /^insert into rota\.jobs/, by: [] },
  { begins: /^with picked as materialized \(select ctid/, by: ['jobs_claim'] },
  { begins: /^update rota\.jobs as jobs set state = 'completed'/, by: ['jobs_pkey'] },
  { begins: /^select .* from rota\.jobs as jobs left join .* where jobs\.id = any/, by: ['jobs_pkey'] },
  { begins: /^update rota\.jobs as jobs set state = ended\.state/, by: ['jobs_pkey'] },
  { begins: /^select .* where jobs\.queue = \$1 and jobs\.runner = \$2/, by: ['jobs_executing'] },
  { begins: /^select id, queue from rota\.jobs .* scheduled_at <= \$1/, by: ['jobs_due'] },
  { begins: /^update rota\.jobs set state = 'available'/, by: ['jobs_pkey'] },
  { begins: /^select .* jobs\.deadline_at <= \$1/, by: ['jobs_deadline'] },
  { begins: /^select queue from unnest\(\$1::text\[\]\)/, by: ['jobs_claim', 'jobs_aside'] },
  { begins: /^with recursive pair .* head\.inserted_at/, by: ['jobs_placed'] },
  { begins: /^with near as materialized .*\(delete from rota\.jobs/, by: ['jobs_placed'] },
  { begins: /^insert into rota\.outbox/, by: [] },
  { begins: /^delete from rota\.outbox using/, by: [] },
  { begins: /^select block, places, gone, taken_until, facts/, by: [] },
];

/** A step of a plan, as far as it is looked at. */
interface Step {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Index Cond'?: string;
  'TID Cond'?: string;
  /** Whether it goes no further than a limit above it says. */
  limited: boolean;
  Plans?: Step[];
}

it('finds what hot statements need by one index each, in an empty table and in one with many jobs', async () => {
  await using database = await freshDatabase();
  const query = vi.spyOn(Client.prototype, 'query');
  const store = await openPostgresStore({
    ...{ url: database.url, random: systemRandom, clock: followingClock(systemClock), newId: uuidSource(systemClock) },
  });
  await useHotVerbs(new StoreDriver(store));
  const texts = new Set(query.mock.calls.map(([config]) => textOf(config)).filter((text) => /\$1/.test(text)));
  query.mockRestore();
  await store.close();
  const client = new Client({ connectionString: withSettings(database.url) });
  await client.connect();
  try {
    await client.query('delete from rota.jobs');
    expect(await faultsOf(client, texts)).toEqual([]);
    await client.query(`insert into rota.jobs (id, scheduled_at, inserted_at, attempted_at, finished_at, max_attempts,
        priority, state, queue, type, args)
      select gen_random_uuid(), n, n, n, n, 20, 5, (array['completed', 'available', 'executing', 'scheduled'])[1 + n % 40 / 37],
        'q' || n % 3, 't', '{}' from generate_series(1, 20000) as n`);
    await client.query('analyze rota.jobs');
    await client.query('deallocate all');
    expect(await faultsOf(client, texts)).toEqual([]);
  } finally {
    await client.end();
  }
});

/** What is wrong with the plans; each kind of statement was among them. */
async function faultsOf(client: Client, texts: ReadonlySet<string>): Promise<string[]> {
  const faults: string[] = [];
  const met = new Set<RegExp>();
  for (const text of texts) {
    const flat = text.replaceAll(/\s+/g, ' ').replaceAll('"rota"', 'rota');
    const hot = HOT.find(({ begins }) => begins.test(flat));
    if (hot === undefined) continue;
    met.add(hot.begins);
    const steps = await stepsOf(client, text);
    for (const step of steps) {
      const [index, relation] = [step['Index Name'], step['Relation Name']];
      const reads = relation === 'jobs' || relation === 'outbox';
      const led = step['Index Cond'] ?? step['TID Cond'];
      const walks = reads && step['Node Type'].includes('Scan') && led === undefined && !step.limited;
      const other = relation === 'jobs' && index !== undefined && !hot.by.includes(index);
      if (walks || other) faults.push(`${step['Node Type']} ${index ?? relation}: ${flat}`);
    }
  }
  faults.push(...HOT.filter(({ begins }) => !met.has(begins)).map(({ begins }) => `never used: ${begins}`));
  return faults;
}

/** The steps of the plan that is kept for a statement, whatever its values. */
async function stepsOf(client: Client, text: string): Promise<Step[]> {
  const values = Math.max(...[...text.matchAll(/\$(\d+)/g)].map(([, place]) => Number(place)));
  await client.query(`prepare planned as ${text}`);
  const nulls = Array.from({ length: values }, () => 'null').join(', ');
  const { rows } = await client.query<{ 'QUERY PLAN': { Plan: Step }[] }>(
    `explain (format json) execute planned (${nulls})`,
  );
  await client.query('deallocate planned');
  return rows[0]?.['QUERY PLAN'].flatMap(({ Plan }) => withinOf(Plan, false)) ?? [];
}

/** A step with those below it. What locks rows takes them one by one as it is asked. */
function withinOf(step: Step, limited = false): Step[] {
  const passes = step['Node Type'] === 'Limit' || (limited && step['Node Type'] === 'LockRows');
  return [{ ...step, limited }, ...(step.Plans ?? []).flatMap((below) => withinOf(below, passes))];
}

function textOf(config: unknown): string {
  // The store asks with an object that has a text.
  return String((config as { text?: unknown }).text ?? '');
}

async function useHotVerbs(driver: StoreDriver): Promise<void> {
  await driver.insert(newJob(), newJob(), newJob());
  await driver.insert(newJob({ traceparent: 'x' }), laterJob(T0 + 5), newJob({ deadlineAt: T0 + 1 }));
  const job = await driver.running({ queue: 'other' });
  await driver.complete(job);
  const failing = await driver.running({ queue: 'other' });
  await driver.settle(failing, failure());
  await driver.claim({ limit: 1 });
  await driver.claim({ types: ['test.job'], limit: 1 });
  await driver.claim({ limit: 1, bytesMax: 100_000 });
  await driver.claim({ types: ['test.job'], limit: 1, bytesMax: 100_000 });
  await driver.beat([]);
  await driver.do('stage', { now: T0 + 10, limit: 9 });
  await driver.do('expire', { now: T0, limit: 9 });
  await driver.do('claimable', { queues: ['default'] });
  await driver.do('unannounced', { after: 0, limit: 9 });
  await driver.do('announced', { places: ALL_PLACES });
  const keepMs = { completed: 0, cancelled: 0, discarded: 0 };
  await driver.do('prune', { now: T0, keepMs, limit: 9 });
}
