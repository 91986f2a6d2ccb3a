import { v7 } from 'uuid';
import { expect, test } from 'vitest';
import { Fleet } from '../support/fleet.ts';
import { allEnded } from '../support/load.ts';
import type { WireJob } from '../support/plain-client.ts';

type Placed = WireJob & { attemptedBy: { node: string } | null };

const LEAVES = 'the store is away from here and not from others, who serve it';
const RETURNS = 'serves the store again';
const ANSWER_MS = 9_000;
/** The node that has left finds its way to the others' work within so many rounds. */
const ROUNDS_MAX = 6;

test('a node without its way to the store works over the others, and nobody is refused', async () => {
  await using fleet = await Fleet.make();
  const [a, b] = await Promise.all([fleet.start('a'), fleet.start('b')]);
  const saysOf = (node: typeof a, msg: string, from = 0): Promise<unknown> =>
    node.process.line((line) => line.msg === msg, from);
  const once = async (): Promise<string> => {
    const id = v7();
    await fleet.client.once('jobs.enqueue.default', { id, type: 'work', args: { ms: 500 } }, ANSWER_MS);
    return id;
  };

  await a.database.shut();
  await saysOf(a, LEAVES);
  // Each is asked once: an answer of the node that cannot reach the store would be a refusal.
  const workers = new Set<string | undefined>();
  for (let round = 0; round < ROUNDS_MAX && workers.size < 2; round += 1) {
    const ids = await Promise.all(Array.from({ length: 50 }, once));
    const jobs = (await allEnded(fleet.client, ids)) as Placed[];
    expect(jobs.map(({ state }) => state)).toEqual(ids.map(() => 'completed'));
    for (const { attemptedBy } of jobs) workers.add(attemptedBy?.node);
  }
  expect(workers).toEqual(new Set(['a', 'b']));

  // Nobody reaches it: then somebody says so.
  const before = a.process.lines.length;
  await b.database.shut();
  await saysOf(a, RETURNS, before);
  await expect(once()).rejects.toThrow(/503 .*"code":"unavailable"/);

  await Promise.all([a.database.open(), b.database.open()]);
  const later = await Promise.all(Array.from({ length: 20 }, () => fleet.client.enqueue('work')));
  for (const { state } of await allEnded(fleet.client, later)) expect(state).toBe('completed');
  expect(fleet.strayExits).toEqual([]);
}, 90_000);
