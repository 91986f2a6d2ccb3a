import pg from 'pg';

/**
 * The leanest loop that does the writes of a job queue on PostgreSQL over one connection: insert, claim with SKIP
 * LOCKED, complete, a transaction a batch; what is complete stays. It checks nothing and tells nobody: the yardstick.
 * Told `{ jobs, batch }` it answers `{ perSecond }`.
 */
const { url } = JSON.parse(process.argv[2] ?? '{}');
const client = new pg.Client({ connectionString: url });
await client.connect();
await client.query(`create schema if not exists raw_bench;
  drop table if exists raw_bench.jobs;
  create table raw_bench.jobs (id bigint generated always as identity primary key, queue text not null,
    type text not null, state text not null default 'available', priority smallint not null default 5,
    scheduled_at timestamptz not null default now(), attempt int not null default 0, worker text,
    attempted_at timestamptz, finished_at timestamptz, args jsonb not null);
  create index claimable on raw_bench.jobs (queue, priority, scheduled_at, id) where state = 'available'`);

const INSERT = {
  name: 'insert',
  text: `insert into raw_bench.jobs (queue, type, args)
    select 'default', 'bench.noop', args from unnest($1::jsonb[]) args`,
};
const CLAIM = {
  name: 'claim',
  text: `update raw_bench.jobs set state = 'executing', attempt = attempt + 1, worker = $1, attempted_at = now()
    where id = any(array(select id from raw_bench.jobs where queue = 'default' and state = 'available'
      order by priority, scheduled_at, id limit $2 for update skip locked)) returning id, type, args, attempt`,
};
const COMPLETE = {
  name: 'complete',
  text: `update raw_bench.jobs set state = 'completed', finished_at = now()
    where id = any($1::bigint[]) and worker = $2 and state = 'executing'`,
};

async function round({ jobs, batch }) {
  await client.query('truncate raw_bench.jobs');
  const startedMs = performance.now();
  for (let done = 0; done < jobs; done += batch) {
    const args = Array.from({ length: Math.min(batch, jobs - done) }, (_, index) =>
      JSON.stringify({ to: 'somebody@example.org', template: 'welcome', n: 10_000 + done + index }),
    );
    await client.query({ ...INSERT, values: [args] });
  }
  let completed = 0;
  while (completed < jobs) {
    const { rows } = await client.query({ ...CLAIM, values: ['bench', batch] });
    const { rowCount } = await client.query({ ...COMPLETE, values: [rows.map(({ id }) => id), 'bench'] });
    if (rowCount === 0) throw new Error('nothing was left to claim');
    completed += rowCount;
  }
  return { perSecond: (jobs * 1_000) / (performance.now() - startedMs) };
}

process.on('message', async (request) => process.send(await round(request)));
process.once('disconnect', () => process.exit(0));
process.send({ ready: 'raw PostgreSQL' });
