import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { SCHEDULE_DEFAULTS } from '../../../src/scheduler/schedule.ts';
import { StoreDriver, T0 } from '../../conformance/store/store-driver.ts';
import { StoreFolder } from './store-folder.ts';

it('leaves a run-time schedule as it is, also when the config has one of its name or none at all', async () => {
  const here = new StoreFolder();
  await here.open().close();
  const job = { type: 'test.job', queue: 'default' };
  const declaration = { ...SCHEDULE_DEFAULTS, spec: { every: 60_000 }, job };
  const db = new DatabaseSync(here.path);
  // No verb makes one yet.
  db.prepare("insert into schedules values ('mine', 'runtime', 'print', ?, ?, null, null, 3, 'operator', ?)").run(
    T0,
    T0,
    JSON.stringify(declaration),
  );
  db.close();
  const driver = new StoreDriver(here.open());
  const [before] = await driver.do('schedules', {});
  expect(before).toMatchObject({ name: 'mine', source: 'runtime', declaration, runs: 3, pausedBy: 'operator' });
  if (before === undefined) return;
  const { term } = await driver.do('lead', { now: T0, node: 'n', instance: 'i', leaseMs: 1_000 });
  const rival = { ...before, source: 'config', fingerprint: 'other', pausedBy: null } as const;
  for (const schedules of [[rival], []]) {
    const synced = await driver.do('syncSchedules', { now: T0 + 9, term, schedules });
    expect(synced).toEqual({ schedules: [before], added: [], changed: [], removed: [] });
  }
  await here.dispose();
});
