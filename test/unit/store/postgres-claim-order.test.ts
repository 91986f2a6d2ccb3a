import { expect, it } from 'vitest';
import { assert } from '../../../src/kernel/error.ts';
import { usePostgresDrivers } from '../../conformance/store/postgres-drivers.ts';
import { newJob, T0 } from '../../conformance/store/store-driver.ts';

const { driver } = usePostgresDrivers();

/** Jobs in line one after the other, from a time on. */
const inLine = (count: number, from = T0 - 1_000) =>
  Array.from({ length: count }, (_, at) => newJob({ scheduledAt: from + at }));

const ids = (jobs: readonly { id: string }[]): string[] => jobs.map(({ id }) => id);

it('claims in order although claims go on where the last one stopped', async () => {
  const one = await driver();
  const line = inLine(40);
  await one.insert(...line);
  const got: string[] = [];
  for (let claims = 0; claims < 4; claims++) got.push(...ids(await one.claim({ limit: 10 })));
  expect(got).toEqual(ids(line));
  expect(await one.claim({ limit: 10 })).toEqual([]);
});

it('claims next what is put in line before, by an insert or a release', async () => {
  const one = await driver();
  const line = inLine(40);
  await one.insert(...line);
  const taken = await one.claim({ limit: 10 });
  const urgent = newJob({ priority: 0, scheduledAt: T0 });
  const early = newJob({ scheduledAt: T0 - 5_000 });
  await one.insert(early);
  await one.insert(urgent);
  expect(ids(await one.claim({ limit: 3 }))).toEqual([urgent.id, early.id, line[10]?.id]);
  const [first] = taken;
  assert(first !== undefined, 'ten were taken');
  await one.settle(first, { outcome: 'release' });
  expect(ids(await one.claim({ limit: 2 }))).toEqual([first.id, line[11]?.id]);
});

it('finds what another store puts in line before at once where nothing else is there, else soon', async () => {
  const [one, other] = [await driver(), await driver()];
  await one.insert(...inLine(20));
  await one.claim({ limit: 10 });
  await one.claim({ limit: 10 });
  const early = newJob({ scheduledAt: T0 - 5_000 });
  await other.insert(early);
  expect(ids(await one.claim({ limit: 5 }))).toEqual([early.id]);
  await one.insert(...inLine(2_000));
  await one.claim({ limit: 10 });
  const urgent = newJob({ priority: 0, scheduledAt: T0 });
  await other.insert(urgent);
  for (let claims = 0; claims < 1_990; claims++) {
    if (ids(await one.claim({ limit: 1 })).includes(urgent.id)) return;
  }
  expect.unreachable('it was never claimed');
});
