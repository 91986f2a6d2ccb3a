import { expect, test } from 'vitest';
import { Fleet } from '../support/fleet.ts';
import { allEnded } from '../support/load.ts';
import type { WireJob } from '../support/plain-client.ts';

type Placed = WireJob & { attemptedBy: { node: string } | null };

/**
 * The first end while the database is away for longer than a lease, the others run until it is back. When it is, nodes come
 * back to it within 1.5 s of each other: a lease is longer than that, with a beat and a busy machine.
 */
const env = { ROTA_LEASE: '5s' };
const DURING_MS = 8_000;
const BEYOND_MS = 14_000;
const EACH = 12;

test('handlers that run while PostgreSQL is away for longer than a lease go on, and complete at their first attempt', async () => {
  await using fleet = await Fleet.make();
  await Promise.all([fleet.start('one', { env }), fleet.start('other', { env })]);
  await fleet.start('worker', { roles: 'queues', env });
  const enqueue = (ms: number): Promise<string[]> =>
    Promise.all(Array.from({ length: EACH }, () => fleet.client.enqueue('work', { ms })));
  const [beyond, during] = [await enqueue(BEYOND_MS), await enqueue(DURING_MS)];
  const ids = [...beyond, ...during];
  const { process } = fleet.node('one');
  const noted = (what: string, wanted: readonly string[]): Promise<void> =>
    process.noted((notes) => {
      const those = new Set(notes.filter((note) => note.what === what).map(({ id }) => id));
      return wanted.every((id) => those.has(id));
    });

  await noted('start', ids);
  await fleet.postgres.stop('immediate');
  await noted('end', during);
  expect(fleet.notes().filter(({ what, id }) => what === 'end' && beyond.includes(id))).toEqual([]);
  await fleet.postgres.restart();

  const jobs = (await allEnded(fleet.client, ids)) as Placed[];
  expect(new Set(jobs.map(({ attemptedBy }) => attemptedBy?.node)).size).toBeGreaterThan(1);
  expect(
    jobs.filter(({ state, attempt, errors }) => state !== 'completed' || attempt !== 1 || errors.length > 0),
  ).toEqual([]);
  for (const what of ['start', 'end']) {
    const notes = fleet.notes().filter((note) => note.what === what && ids.includes(note.id));
    expect(notes).toHaveLength(ids.length);
  }
  expect(fleet.strayExits).toEqual([]);
}, 90_000);
