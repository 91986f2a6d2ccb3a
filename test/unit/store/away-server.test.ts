import { expect, onTestFinished, test, vi } from 'vitest';
import { followingClock, systemClock } from '../../../src/kernel/clock.ts';
import type { Random } from '../../../src/kernel/identity.ts';
import type { PostgresStoreOptions } from '../../../src/store/postgres/postgres-store.ts';
import { REACH_EVERY_MS } from '../../../src/store/postgres/transaction-fate.ts';
import { freePort } from '../../support/free-port.ts';
import type { FreshDatabase } from '../../support/postgres/database.ts';
import { openTestStore } from '../../support/postgres/enqueuer.ts';
import { freshDatabase } from '../../support/postgres/fresh-database.ts';
import { TcpGate } from '../../support/tcp-gate.ts';

/** Far less than a store tries to reach a server that was there a moment ago. */
const AT_ONCE_MS = 2_000;
/** A second and a half between two dials at most, and what a busy machine takes. */
const FOUND_MS = 3_000;
/** Of one store: four, and two for nodes and the lead. */
const SESSIONS_MAX = 6;
const FULL_PACE_MS = 1_000;
/** As many as there are sessions may be under way when the server goes; then the pace is full after three. */
const PACED_FROM = SESSIONS_MAX + 3;
const PACED = 4;

const found = (look: () => Promise<unknown>): Promise<void> =>
  vi.waitFor(async () => expect(await look()).toMatchObject([{ ok: true }]), { timeout: FOUND_MS });

/** A store behind a door that can be shut. */
async function storeBehindGate(database: FreshDatabase, options: Partial<PostgresStoreOptions> = {}) {
  const url = new URL(database.url);
  const gate = new TcpGate(await freePort(), Number(url.port));
  await gate.open();
  onTestFinished(() => gate.shut());
  url.port = String(gate.port);
  const store = await openTestStore(url.href, options);
  return { gate, store, look: () => store.perform([{ verb: 'queues' }]) };
}

test('a server that is known to be away costs those who ask no waiting, and is found soon after its return', async () => {
  await using database = await freshDatabase();
  const { gate, look } = await storeBehindGate(database);
  const refusedAfterMs = async (): Promise<number> => {
    const startMs = performance.now();
    await expect(look()).rejects.toMatchObject({ code: 'unavailable' });
    return performance.now() - startMs;
  };

  await gate.shut();
  expect(await refusedAfterMs()).toBeGreaterThan(AT_ONCE_MS);
  expect(await refusedAfterMs()).toBeLessThan(AT_ONCE_MS);

  await gate.open();
  await found(look);

  // It was there again, so a short absence is waited for again.
  await gate.shut();
  const asked = look();
  await gate.open();
  expect(await asked).toMatchObject([{ ok: true }]);
}, 30_000);

test('a server that is away is dialled once in a second or more by all who ask, and not at the same times', async () => {
  await using database = await freshDatabase();
  const { gate, store, look } = await storeBehindGate(database);
  const lead = () => store.perform([{ verb: 'leader' }]);
  gate.guard();
  // As the parts of a busy node: each asks again as soon as it has been refused.
  const asking = [look, look, look, look, look, lead, lead].map(async (ask) => {
    while ((await ask().catch(() => false)) === false) await new Promise(setImmediate);
  });
  try {
    const dials = PACED_FROM + PACED;
    await vi.waitFor(() => expect(gate.dialsMs.length).toBeGreaterThanOrEqual(dials), { timeout: 40_000 });
    const paced = gate.dialsMs.slice(PACED_FROM - 1, dials);
    const gapsMs = paced.slice(1).map((atMs, index) => atMs - (paced[index] ?? 0));
    // What measures has jitter too.
    expect(Math.min(...gapsMs)).toBeGreaterThan(FULL_PACE_MS - 10);
    expect(Math.max(...gapsMs) - Math.min(...gapsMs)).toBeGreaterThan(5);
    const before = gate.dialsMs.length;
    gate.unguard();
    await found(look);
    await Promise.all(asking);
    expect(gate.dialsMs.length - before).toBeLessThanOrEqual(SESSIONS_MAX + 1);
  } finally {
    gate.unguard();
    await Promise.all(asking);
  }
}, 60_000);

test('tries to reach a server again after waits that chance spreads', async () => {
  await using database = await freshDatabase();
  const waitsOf = async (random: Random): Promise<number[]> => {
    const waits: number[] = [];
    const recording = {
      ...systemClock,
      setTimeout: (fn: () => void, ms: number) => {
        waits.push(ms);
        return systemClock.setTimeout(fn, ms);
      },
    };
    const { gate, look } = await storeBehindGate(database, { clock: followingClock(recording), random });
    await look();
    await gate.shut();
    const asked = look();
    await vi.waitFor(() => expect(waits.length).toBeGreaterThanOrEqual(5));
    await gate.open();
    expect(await asked).toMatchObject([{ ok: true }]);
    return waits;
  };
  expect(new Set(await waitsOf(() => 0))).toEqual(new Set([REACH_EVERY_MS / 2]));
  expect(new Set(await waitsOf(() => 0.5))).toEqual(new Set([REACH_EVERY_MS]));
  let drawn = 0;
  const waits = await waitsOf(() => (drawn = (drawn + 0.01) % 1));
  expect(new Set(waits).size).toBe(waits.length);
}, 60_000);
