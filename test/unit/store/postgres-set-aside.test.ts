import { Client } from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { usePostgresDrivers } from '../../conformance/store/postgres-drivers.ts';
import { newJob, T0 } from '../../conformance/store/store-driver.ts';

const { url, driver } = usePostgresDrivers();
let client: Client;

beforeEach(async () => {
  client = new Client({ connectionString: url() });
  await client.connect();
});
afterEach(() => client.end());

const jobsOf = (types: string[], count: number) =>
  Array.from({ length: count }, (_, at) =>
    newJob({ type: types[at % types.length] ?? '', scheduledAt: T0 - count + at }),
  );

const sum = async (sql: string): Promise<number> =>
  Number((await client.query(`select count(*) as n ${sql}`)).rows[0].n);
const aside = (): Promise<number> => sum('from rota.jobs where aside is not null');
const known = (): Promise<number> => sum('from rota.set_aside');

it('sets aside what a claim could not take at the head, so that the next one does not walk past it', async () => {
  const one = await driver();
  await one.insert(...jobsOf(['theirs', 'others'], 300), ...jobsOf(['mine'], 2));
  expect(await one.claim({ types: ['mine'], limit: 1 })).toHaveLength(1);
  expect(await aside()).toBe(300);
  expect(await known()).toBe(2);
});

it('sets aside what is in the way of a claim that gets nothing', async () => {
  const one = await driver();
  await one.insert(...jobsOf(['theirs'], 300));
  expect(await one.claim({ types: ['mine'] })).toEqual([]);
  expect(await aside()).toBe(300);
});

it('leaves a queue of mixed types as it is, and one that is claimed from without types', async () => {
  const one = await driver();
  await one.insert(...jobsOf(['theirs', 'mine'], 300));
  for (const type of ['mine', 'theirs', 'mine', 'theirs']) {
    expect(await one.claim({ types: [type], limit: 40 })).toHaveLength(40);
  }
  await one.claim({ limit: 40 });
  expect(await aside()).toBe(0);
});

it('does not mind a few', async () => {
  const one = await driver();
  await one.insert(...jobsOf(['theirs'], 63), ...jobsOf(['mine'], 1));
  expect(await one.claim({ types: ['mine'] })).toHaveLength(1);
  expect(await aside()).toBe(0);
});

it('gives back to another store what was set aside, in order, and forgets it when there is no more', async () => {
  const [one, other] = [await driver(), await driver()];
  const theirs = jobsOf(['theirs'], 100);
  await one.insert(...theirs);
  await one.claim({ types: ['mine'] });
  expect(await aside()).toBe(100);
  const first = await other.claim({ types: ['theirs', 'mine'], limit: 70 });
  expect(first.map(({ id }) => id)).toEqual(theirs.slice(0, 70).map(({ id }) => id));
  expect(await aside()).toBe(30);
  expect(await other.claim({ limit: 70 })).toHaveLength(30);
  expect([await aside(), await known()]).toEqual([0, 0]);
});

it('passes over what is past its deadline there', async () => {
  const one = await driver();
  const late = jobsOf(['theirs'], 80).map((job) => ({ ...job, deadlineAt: T0 - 1 }));
  const [last] = jobsOf(['theirs'], 1);
  if (last === undefined) throw new Error('there is one');
  await one.insert(...late, last);
  await one.claim({ types: ['mine'] });
  expect(await aside()).toBe(81);
  expect((await one.claim({ types: ['theirs'], limit: 1 })).map(({ id }) => id)).toEqual([last.id]);
  expect([await aside(), await known()]).toEqual([80, 1]);
});
