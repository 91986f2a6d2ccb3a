import { expect, it } from 'vitest';
import { JOB_STATES } from '../../../src/job/state.ts';
import type { JobFilter } from '../../../src/store/job-store.ts';
import { usePostgresClient } from '../../conformance/store/postgres-drivers.ts';
import type { StoreDriver } from '../../conformance/store/store-driver.ts';
import { type Dice, diceOf } from '../../support/dice.ts';

const { client, driver } = usePostgresClient();

const NOW = 1_700_000_000_000;
const DAY_MS = 86_400_000;
const KEEP = { completed: DAY_MS, cancelled: 2 * DAY_MS, discarded: 3 * DAY_MS };

/** Rows of all kinds, in some queues; each state and queue in stretches, so that leaps and windows matter. */
async function fill({ below, one, random }: Dice, queues: number): Promise<void> {
  let at = NOW - 6 * DAY_MS;
  for (let stretch = 0; stretch < 60; stretch++) {
    const [state, queue, type] = [one(JOB_STATES), `q${below(queues)}`, one(['t', 'u'])];
    const count = 1 + below(one([3, 40, 300, 1_200]));
    const gap = random() < 0.5 ? DAY_MS / 20 / count : 0;
    const lastsMs = one([1, 1_000, DAY_MS / 2, 2 * DAY_MS, 4 * DAY_MS]);
    await client().query(
      `insert into rota.jobs (id, scheduled_at, inserted_at, attempted_at, finished_at, max_attempts, priority, state, queue, type, args, aside, tags)
        select gen_random_uuid(), t, t, t, t + (random() * $4::float8)::bigint, 20, 5, $2, $3, $6, '{}', $8, $9
        from (select ($1::float8 + n * $7::float8)::bigint as t from generate_series(1, $5::integer) as n) as times`,
      [
        at,
        state,
        queue,
        lastsMs,
        count,
        type,
        gap,
        state === 'available' && random() < 0.3 ? 1 : null,
        random() < 0.3 ? '["x"]' : null,
      ],
    );
    at += Math.round(gap * count) + below(DAY_MS / 20);
  }
}

function filterOf({ below, one, random }: Dice, queues: number): JobFilter {
  const maybe = <T extends object>(part: T): Partial<T> => (random() < 0.35 ? part : {});
  return {
    ...maybe({ queue: `q${below(queues)}` }),
    ...maybe({ states: JOB_STATES.filter(() => random() < 0.5) }),
    ...maybe({ type: one(['t', 'u', 'none']) }),
    ...(random() < 0.15 ? { tag: 'x' } : {}),
    ...(random() < 0.15 ? { after: NOW - below(6) * DAY_MS } : {}),
  };
}

async function truth(filter: JobFilter): Promise<string[]> {
  const { rows } = await client().query(
    `select id from rota.jobs where ($1::text[] is null or state = any($1)) and ($2::text is null or queue = $2)
      and ($3::text is null or type = $3) and ($4::text is null or tags = '["x"]') and ($5::bigint is null or inserted_at > $5) order by seq + 0`,
    [filter.states ?? null, filter.queue ?? null, filter.type ?? null, filter.tag ?? null, filter.after ?? null],
  );
  return rows.map(({ id }) => id);
}

async function pages(
  one: StoreDriver,
  { filter, order, limit }: { filter: JobFilter; order: 'asc' | 'desc'; limit: number },
): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await one.do('list', { filter, limit, order, ...(cursor === undefined ? {} : { cursor }) });
    ids.push(...page.jobs.map(({ id }) => id));
    cursor = page.cursor ?? undefined;
  } while (cursor !== undefined);
  return ids;
}

const FIRST = Number(process.env.SEED ?? 1);
const seeds = Array.from({ length: Number(process.env.SEEDS ?? 3) }, (_, at) => FIRST + at);

it.each(seeds)('pages, counts, sweeps and prunes what the table says: seed %i', async (seed) => {
  const luck = diceOf(seed);
  const queues = luck.one([1, 4, 30]);
  const store = await driver();
  await fill(luck, queues);
  for (let look = 0; look < 12; look++) {
    const filter = filterOf(luck, queues);
    const order = luck.one(['asc', 'desc'] as const);
    const all = await truth(filter);
    const limit = Math.max(luck.one([1, 10, 50, 400]), Math.ceil(all.length / 8));
    const said = JSON.stringify({ filter, order, limit });
    expect(await pages(store, { filter, order, limit }), said).toEqual(order === 'asc' ? all : all.toReversed());
    expect((await store.do('count', { filter })).total, said).toBe(all.length);
  }
  await store.expectCountsHold();
  const filter = filterOf(luck, queues);
  const swept = (
    await truth({
      ...filter,
      states: (filter.states ?? JOB_STATES).filter((one) => one === 'scheduled' || one === 'retryable'),
    })
  ).length;
  let done = 0;
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const states = (filter.states ?? JOB_STATES).filter((one) => one === 'scheduled' || one === 'retryable');
    const step = await store.do('sweep', {
      now: NOW,
      action: 'delete',
      filter: { ...filter, states },
      terminate: false,
      limit: luck.one([10, 300]),
      ...(cursor ? { cursor } : {}),
    });
    done += step.done;
    cursor = step.cursor;
  }
  expect(done, JSON.stringify(filter)).toBe(swept);
  const due = `(${Object.entries(KEEP)
    .map(([state, ms]) => `(state = '${state}' and finished_at <= ${NOW - ms})`)
    .join(' or ')})`;
  const before = await client().query(`select id from rota.jobs where not ${due} order by seq + 0`);
  let idle = 0;
  for (let step = 0; idle < 3 && step < 3_000; step++) {
    const { pruned } = await store.do('prune', { now: NOW, keepMs: KEEP, limit: luck.one([7, 100, 1_000]) });
    idle = pruned === 0 ? idle + 1 : 0;
  }
  expect(idle).toBe(3);
  const after = await client().query('select id from rota.jobs order by seq + 0');
  expect(after.rows.length).toBe(before.rows.length);
  expect(after.rows).toEqual(before.rows);
});
