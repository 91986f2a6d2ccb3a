import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { PullReader } from '../../../src/messaging/nats/pull-reader.ts';
import { steppedClock } from './stepped-clock.ts';

/** A connection to a broker that says what a test makes it say, and nothing else. */
function silentBroker() {
  const pulls: { subject: string; body: { idle_heartbeat: number; expires: number } }[] = [];
  let callback: (error: Error | null, msg: Msg) => void = () => {};
  const connection = {
    subscribe: (_subject: string, options: { callback: typeof callback }) => {
      callback = options.callback;
      return { unsubscribe: () => {} };
    },
    publish: (_subject: string, body: string, { reply }: { reply: string }) => {
      pulls.push({ subject: reply, body: JSON.parse(body) });
    },
    closed: () => new Promise(() => {}),
    isClosed: () => false,
    info: undefined,
  };
  const status = (code: number, description = ''): void => {
    const subject = pulls.at(-1)?.subject;
    callback(null, { subject, reply: '', headers: { code, description } } as unknown as Msg); // what of it is looked at
  };
  return { connection: connection as unknown as NatsConnection, pulls, status }; // what of it is used
}

function reading() {
  const clock = steppedClock();
  const broker = silentBroker();
  const reader = new PullReader({
    ...{ connection: broker.connection, onState: () => () => {}, clock },
    ...{ stream: 'S', consumer: 'c', ackWaitMs: 30_000 },
  });
  return { clock, ...broker, reader };
}

test('a pull of which the broker says nothing any more is made again within seconds', async () => {
  const { clock, pulls, reader } = reading();
  await clock.advance(3_000);
  expect(pulls).toHaveLength(1);
  await clock.advance(1_000);
  expect(pulls).toHaveLength(2);
  expect(pulls[1]?.subject).not.toBe(pulls[0]?.subject);
  reader.close();
  expect(clock.timers).toBe(0);
});

test('a pull that the broker says is waiting stays the only one until it has expired', async () => {
  const { clock, pulls, status, reader } = reading();
  const [first] = pulls;
  expect(first?.body.expires).toBeGreaterThanOrEqual(2 * (first?.body.idle_heartbeat ?? Number.NaN));
  for (let n = 0; n < 12; n += 1) {
    await clock.advance((first?.body.idle_heartbeat ?? 0) / 1_000_000);
    status(100, 'Idle Heartbeat');
  }
  expect(pulls).toHaveLength(1);
  status(408, 'Request Timeout');
  expect(pulls).toHaveLength(2);
  reader.close();
});
