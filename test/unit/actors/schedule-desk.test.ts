import { expect, test } from 'vitest';
import type { EventTeller } from '../../../src/actors/event-teller.ts';
import type { Registry } from '../../../src/actors/intake/registry.ts';
import { ScheduleDesk } from '../../../src/actors/intake/schedule-desk.ts';
import type { StoreClient } from '../../../src/actors/store-client.ts';
import { systemClock } from '../../../src/kernel/clock.ts';
import { uuidSource } from '../../../src/kernel/identity.ts';
import { Body } from '../../../src/messaging/body.ts';
import type { Message } from '../../../src/messaging/bus.ts';
import { LocalRoute } from '../../../src/messaging/local/local-route.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';

const T0 = Date.parse('2026-01-05T10:00:00.000Z');

test('a time that passes while the store is asked is refused, for it would never fire', async () => {
  let now = T0;
  const clock = { ...systemClock, now: () => now };
  const subjects = new Subjects('jobs');
  const asked: string[] = [];
  const store = {
    ask: async (verb: string): Promise<unknown> => {
      asked.push(verb);
      now += 2_000;
      return verb === 'schedules' ? { schedules: [], more: false } : [{ stale: false, schedule: null }];
    },
  };
  const registry = { queueOf: async () => 'default', knowsQueue: async () => true, definition: () => undefined };
  const desk = new ScheduleDesk({
    ...{ bus: new LocalRoute({ route: 'local', clock, subjects }), subjects, clock, newId: uuidSource(clock) },
    ...{ timezone: 'UTC', tell: (() => {}) as EventTeller },
    // The verbs and questions that a put has.
    ...{ store: store as unknown as StoreClient, registry: registry as unknown as Registry },
  });
  const put = (at: number): Promise<void> => {
    const value = { name: 'once', spec: { at: new Date(at).toISOString() }, job: { type: 'work' } };
    return desk.serve('put', { body: Body.of(value, 'json'), respond: () => {} } as unknown as Message);
  };

  await expect(put(now + 1_000)).rejects.toMatchObject({
    ...{ code: 'invalid_schedule', message: expect.stringMatching(/^spec\.at is past/) },
    issues: [{ path: 'spec.at', message: expect.stringMatching(/^is past: it is 2026-/) }],
  });
  expect(asked).not.toContain('changeSchedules');
  await put(now + 60_000);
  expect(asked).toContain('changeSchedules');
});
