import { expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../support/free-port.ts';
import { openTestStore, plainClient } from '../../support/postgres/enqueuer.ts';
import { freshDatabase } from '../../support/postgres/fresh-database.ts';
import { TcpGate } from '../../support/tcp-gate.ts';

/** Less than a lead lasts by default, so that a leader which freezes in a transaction costs its fleet no more than that. */
const STANDSTILL_MS = 12_000;

test('an owner that freezes in the middle of a transaction does not hold the others up', async () => {
  await using database = await freshDatabase();
  const url = new URL(database.url);
  const gate = new TcpGate(await freePort(), Number(url.port));
  await gate.open();
  onTestFinished(() => gate.shut());
  url.port = String(gate.port);
  const frozen = await openTestStore(url.href);
  const lead = { verb: 'lead' as const, now: Date.now(), leaseMs: 120_000 };
  await frozen.perform([{ ...lead, node: 'frozen', instance: '1' }]);

  // Somebody is in its way, so that it is in the middle when it freezes.
  const other = await plainClient(database.url);
  const looker = await plainClient(database.adminUrl);
  await other.query('begin; select 1 from rota.leadership for update');
  const asked = frozen.perform([{ ...lead, node: 'frozen', instance: '1' }]).catch((error: unknown) => error);
  for (let waiting = 0; waiting === 0; ) {
    const { rows } = await looker.query<{ pid: number }>(
      `select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
    );
    waiting = rows.length;
  }
  gate.hold();
  await other.query('rollback');

  const healthy = await openTestStore(database.url);
  const startMs = performance.now();
  const [reply] = await healthy.perform([{ ...lead, now: Date.now() + 150_000, node: 'healthy', instance: '2' }]);
  expect(performance.now() - startMs).toBeLessThan(STANDSTILL_MS);
  expect(reply).toMatchObject({ ok: true, answer: { node: 'healthy' } });

  gate.release();
  // What it had begun was rolled back, and it may ask again.
  expect(await asked).toMatchObject({ code: 'unavailable' });
  const again = await frozen.perform([{ ...lead, now: Date.now() + 150_000, node: 'frozen', instance: '1' }]);
  expect(again).toMatchObject([{ ok: true, answer: { node: 'healthy' } }]);
}, 40_000);
