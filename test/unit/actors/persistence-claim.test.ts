import { expect, onTestFinished, test } from 'vitest';
import { Persistence } from '../../../src/actors/persistence/persistence.ts';
import { storeClient } from '../../../src/actors/store-client.ts';
import { newJob } from '../../../src/job/job-request.ts';
import { uuidSource } from '../../../src/kernel/identity.ts';
import { silentLogger as log } from '../../../src/kernel/log.ts';
import { Body } from '../../../src/messaging/body.ts';
import { LocalRoute } from '../../../src/messaging/local/local-route.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import { openSqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { seededRandom, VirtualClock } from '../../../src/testing/testing.ts';

test.each(['json', 'msgpack'] as const)(
  'jobs that began as they came are whole on any way, in %s too',
  async (codec) => {
    const clock = new VirtualClock();
    const subjects = new Subjects('jobs');
    const bus = new LocalRoute({ route: 'local', clock, subjects });
    const opened = openSqliteStore({ path: ':memory:', random: seededRandom(1) });
    const times = { leaseMs: 30_000, beatMs: 5_000, pollMs: 1_000 };
    const persistence = new Persistence({ store: opened, bus, subjects, clock, node: 'here', ...times, log });
    await persistence.start();
    onTestFinished(() => persistence.kill());
    const store = storeClient(bus, subjects);
    const world = { now: clock.now(), newId: uuidSource(clock), queue: 'q', definition: undefined };
    const jobs = [1, 2].map((n) => newJob({ type: 't', args: { n } }, world));
    // Asked in one turn they are one group, in which the claim takes what the insert brings.
    const [, claimed] = await Promise.all([
      store.ask('insert', { jobs }),
      store.ask('claim', { now: clock.now(), queue: 'q', worker: 'w', node: 'there', limit: 9 }),
    ]);
    const sent = Body.encoded(Body.of(claimed, codec).bytes, codec === 'json' ? undefined : 'application/msgpack');
    const { state: _state, backoff: _backoff, deadlineAt: _deadlineAt, ...first } = jobs[0] ?? {};
    expect(sent.value).toEqual([
      { ...first, run: 1, attempt: 1 },
      expect.objectContaining({ id: jobs[1]?.id, args: { n: 2 }, scheduledAt: clock.now() }),
    ]);
  },
);
