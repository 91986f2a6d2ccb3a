import { expect, test } from 'vitest';
import { WaitRoom } from '../../../src/actors/intake/wait-room.ts';
import type { StoreClient } from '../../../src/actors/store-client.ts';
import { Body } from '../../../src/messaging/body.ts';
import { MemoryBroker } from '../../../src/messaging/memory/memory-broker.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import { seededRandom } from '../../../src/testing/testing.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

const POLL_MS = 1_000;
/** What the store takes for an answer: longer than a poll's rest. */
const ANSWER_MS = 2_500;

/** A wait room beside a store that is slow and in which every job runs on until it is said to have ended. */
function slowWorld() {
  const clock = new VirtualClock();
  const subjects = new Subjects('jobs');
  const broker = new MemoryBroker({ clock, random: seededRandom(1) });
  const bus = broker.connect({ name: 'a', subjects, noEcho: true });
  const others = broker.connect({ name: 'b', subjects, noEcho: true });
  let looks = 0;
  let state = 'executing';
  const tellEnd = (subject: string): void =>
    others.publish('jobs.events.job.q.completed', { body: Body.of({ subject }, 'json') });
  const end = (): void => {
    state = 'completed';
  };
  const ask = (_verb: string, { ids }: { ids: string[] }): Promise<unknown> => {
    looks += 1;
    return new Promise((resolve) => {
      clock.setTimeout(() => resolve(ids.map((id) => ({ id, state }))), ANSWER_MS);
    });
  };
  // The one verb that it asks.
  const store = { ask } as unknown as StoreClient;
  const room = new WaitRoom({ bus, subjects, store, clock, pollMs: POLL_MS });
  const looksWithin = async (ms: number): Promise<number> => {
    const before = looks;
    await clock.advance(ms);
    return looks - before;
  };
  return { room, clock, looksWithin, tellEnd, end };
}

test('however often the room was empty, one poll at a time asks the store, and none when it is', async () => {
  const { room, clock, looksWithin } = slowWorld();
  const long = 60_000;
  for (let round = 0; round < 5; round += 1) {
    // It ends while the poll that it began is under way, and the next one enters before that has its answer.
    const waited = room.wait('a', ANSWER_MS + POLL_MS / 2);
    await clock.advance(ANSWER_MS * 2 + POLL_MS);
    await waited;
  }
  const last = room.wait('b', long);
  await clock.advance(ANSWER_MS + POLL_MS);
  // Each poll takes its rest and its answer.
  expect(await looksWithin(10 * (ANSWER_MS + POLL_MS))).toBe(10);
  await clock.advance(long);
  expect((await last).timedOut).toBe(true);
  await clock.advance(ANSWER_MS + POLL_MS);
  expect(clock.pending).toBe(0);
});

test('one that closes leaves no timer, also where a poll is under way', async () => {
  const { room, clock } = slowWorld();
  const waited = room.wait('a', 60_000);
  await clock.advance(POLL_MS + 1);
  room.close();
  await clock.advance(ANSWER_MS * 2);
  expect(clock.pending).toBe(0);
  expect((await waited).timedOut).toBe(true);
});

test('an end that is told and is not so wakes nobody for good: only the row says that a job has ended', async () => {
  const { room, clock, tellEnd, end } = slowWorld();
  let answered = false;
  const waited = room.wait('a', 600_000).finally(() => {
    answered = true;
  });
  for (let lie = 0; lie < 5; lie += 1) {
    await clock.advance(POLL_MS);
    tellEnd('a');
    await clock.advance(ANSWER_MS * 2);
  }
  expect(answered).toBe(false);
  end();
  tellEnd('a');
  await clock.advance(ANSWER_MS * 2);
  expect(await waited).toMatchObject({ job: { state: 'completed' }, timedOut: false });
});
