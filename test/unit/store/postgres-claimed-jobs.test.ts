import { expect, it } from 'vitest';
import { usePostgresDrivers } from '../../conformance/store/postgres-drivers.ts';
import { newJob, T0 } from '../../conformance/store/store-driver.ts';

const { driver } = usePostgresDrivers();

it('gives each job of a claim what is its own, in order, whatever its neighbours have', async () => {
  const store = await driver();
  const jobs = [
    newJob({ scheduledAt: T0 - 1, args: { comma: 'a,b', list: [1, [2]] }, timeoutMs: 5_000 }),
    newJob({ priority: 1, tags: ['x,"y"', '\u0001'], meta: { tenant: '{7}' }, type: 'null' }),
    newJob({ scheduledAt: T0 - 2, reference: { type: 'order\u0000', id: '\u0001"1",2' }, traceparent: 'tp' }),
    newJob({ scheduledAt: 5, args: [null, '\u001f'], type: 'other.type' }),
    newJob({ schedule: { name: 'nightly', at: T0 - 7, late: true } }),
    newJob({ args: {}, maxAttempts: 1 }),
  ];
  await store.insert(...jobs);
  const order = [1, 3, 2, 0, 4, 5];
  const expected = order.map((place) => {
    const { state: _, deadlineAt: __, backoff: ___, unique: ____, ...job } = jobs[place] ?? newJob();
    return { ...job, run: 1, attempt: 1 };
  });
  expect(await store.claim({ limit: 10 })).toEqual(expected);
  expect(await store.claim({ limit: 10 })).toEqual([]);
  expect(await store.claim({ limit: 10, types: ['null'] })).toEqual([]);
});
