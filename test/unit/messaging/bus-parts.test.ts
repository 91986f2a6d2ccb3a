import { describe, expect, test } from 'vitest';
import { RotaError } from '../../../src/kernel/error.ts';
import { Body } from '../../../src/messaging/body.ts';
import type { Envelope, Message } from '../../../src/messaging/bus.ts';
import { type Arrival, answerMessage, Inbox, NO_HEADERS } from '../../../src/messaging/inbox.ts';
import { SendWindow } from '../../../src/messaging/nats/send-window.ts';
import { PendingRequests, REQUESTS_MAX } from '../../../src/messaging/pending-requests.ts';
import { PublishLedger } from '../../../src/messaging/publish-ledger.ts';
import { answer } from '../../../src/messaging/reply.ts';
import { steppedClock } from './stepped-clock.ts';

const EMPTY = Body.of({}, 'json');

function arrival(answers: Envelope[], reply: string | undefined = '_INBOX.x'): Arrival {
  const send = (envelope: Envelope): void => void answers.push(envelope);
  return { subject: 'jobs.x', body: EMPTY, headers: NO_HEADERS, reply, send };
}

const valueIn = (envelope: Envelope | undefined): unknown => envelope?.body.value;

describe('the publish ledger', () => {
  test('vouches for what reached the broker', () => {
    const ledger = new PublishLedger();
    ledger.published();
    const mark = ledger.mark();
    expect(mark).toBe(1);
    ledger.reached(mark ?? 0);
    ledger.disconnected();
    expect(ledger.mark()).toBe(1);
  });

  test('tells of a loss once, and of one that happens while a flush is under way', () => {
    const ledger = new PublishLedger();
    ledger.published();
    ledger.disconnected();
    expect(ledger.mark()).toBeUndefined();
    expect(ledger.mark()).toBe(1);
    ledger.published();
    expect(ledger.mark()).toBe(2);
    ledger.disconnected();
    expect(ledger.mark(), 'the flush before never got its answer').toBeUndefined();
    ledger.dropped();
    expect(ledger.mark()).toBeUndefined();
  });
});

describe('pending requests', () => {
  test('settle, fail and time out, leaving no timer behind', async () => {
    const clock = steppedClock();
    const pending = new PendingRequests(clock);
    const ids: number[] = [];
    const open = (): Promise<Message> => pending.open('jobs.x', 100, (id) => void ids.push(id));
    const [first, second, third] = [open(), open(), open()];
    pending.settle(ids[0] ?? 0, answerMessage('r', EMPTY, NO_HEADERS));
    pending.fail(ids[1] ?? 0, new RotaError('unavailable', 'x'));
    pending.settle(ids[1] ?? 0, answerMessage('r', EMPTY, NO_HEADERS));
    expect((await first).subject).toBe('r');
    await expect(second).rejects.toMatchObject({ code: 'unavailable' });
    const late = expect(third).rejects.toMatchObject({ code: 'timeout' });
    await clock.advance(100);
    await late;
    expect(pending.size).toBe(0);
    expect(clock.timers).toBe(0);
  });

  test('are bounded, and what cannot be sent is not kept', async () => {
    const clock = steppedClock();
    const pending = new PendingRequests(clock);
    const failing = pending.open('jobs.x', 100, () => {
      throw new RotaError('too_large', 'x');
    });
    await expect(failing).rejects.toMatchObject({ code: 'too_large' });
    expect(clock.timers).toBe(0);
    const all = Array.from({ length: REQUESTS_MAX }, () => pending.open('jobs.x', 100, () => {}).catch(() => 'failed'));
    await expect(pending.open('jobs.x', 100, () => {})).rejects.toMatchObject({ code: 'overloaded' });
    pending.failAll(() => new RotaError('closed', 'x'), 'jobs.other');
    expect(pending.size).toBe(REQUESTS_MAX);
    pending.failAll(() => new RotaError('closed', 'x'));
    expect(new Set(await Promise.all(all))).toEqual(new Set(['failed']));
  });
});

describe('an inbox', () => {
  const mayAnswer = (reply: string): boolean => !reply.startsWith('jobs.');

  test('counts what is under way and frees it when it is done', async () => {
    const release = Promise.withResolvers<void>();
    const answers: Envelope[] = [];
    const inbox = new Inbox(() => release.promise, { inboxMax: 2, mayAnswer });
    let finished = 0;
    for (let n = 0; n < 4; n++) inbox.deliver(arrival(answers), () => void finished++);
    expect(finished).toBe(2);
    expect(inbox.overflowed).toBe(2);
    expect(answers.map(valueIn)).toEqual(
      [1, 2].map(() => ({ error: expect.objectContaining({ code: 'overloaded' }) })),
    );
    release.resolve();
    await release.promise;
    await Promise.resolve();
    expect(finished).toBe(4);
    inbox.deliver(arrival(answers));
    expect(inbox.overflowed).toBe(2);
  });

  test('answers an answer that cannot be sent with an error, and survives one that cannot either', () => {
    const sent: Envelope[] = [];
    const send = (envelope: Envelope): void => {
      if (envelope.headers === undefined) throw new RotaError('too_large', 'much');
      sent.push(envelope);
    };
    new Inbox((message) => answer(message, 'x'), { mayAnswer }).deliver({ ...arrival([]), send });
    expect(sent.map(valueIn)).toEqual([{ error: { code: 'too_large', message: 'much' } }]);
    const never = (): void => {
      throw new Error('no');
    };
    new Inbox((message) => answer(message, 'x'), { mayAnswer }).deliver({ ...arrival([]), send: never });
  });

  test('is not broken by a reporter that throws, and a failure after the answer stays silent', () => {
    const answers: Envelope[] = [];
    const inbox = new Inbox(
      (message) => {
        answer(message, 'fine');
        throw new Error('afterwards');
      },
      {
        mayAnswer,
        onError: () => {
          throw new Error('reporter');
        },
      },
    );
    inbox.deliver(arrival(answers));
    expect(answers.map(valueIn)).toEqual(['fine']);
  });

  test('answers nobody whom it may not, and says when it is closed', () => {
    const answers: Envelope[] = [];
    const inbox = new Inbox((message) => answer(message, 'x'), { mayAnswer });
    inbox.deliver(arrival(answers, 'jobs.ctl.queue.purge'));
    expect(answers).toEqual([]);
    inbox.close();
    inbox.deliver(arrival(answers));
    expect(answers.map(valueIn)).toEqual([{ error: expect.objectContaining({ code: 'unavailable' }) }]);
  });
});

describe('the send window', () => {
  const MIB = 1_048_576;
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  /** A window whose server answers when it is told to. */
  function windowOf() {
    const asked: PromiseWithResolvers<void>[] = [];
    const window = new SendWindow(() => {
      const probe = Promise.withResolvers<void>();
      asked.push(probe);
      return probe.promise;
    });
    return { asked, window };
  }

  test('admits the largest message that there is where so little waits that the server was not asked', () => {
    const { asked, window } = windowOf();
    window.sent(1_000);
    expect(asked).toHaveLength(0);
    expect(window.admits(64 * MIB)).toBe(true);
    window.sent(64 * MIB);
    expect(asked).toHaveLength(1);
    expect(window.admits(1)).toBe(false);
  });

  test('asks on until the server has all, also when nothing is sent meanwhile', async () => {
    const { asked, window } = windowOf();
    for (let sent = 0; sent < 63; sent++) window.sent(MIB);
    expect(asked).toHaveLength(1);
    expect(window.admits(2 * MIB)).toBe(false);
    asked[0]?.resolve();
    await turn();
    expect(asked).toHaveLength(2);
    expect(window.admits(3 * MIB)).toBe(false);
    asked[1]?.reject(new Error('the connection was lost'));
    await turn();
    expect(window.admits(64 * MIB)).toBe(true);
    expect(asked, 'nothing more to ask').toHaveLength(2);
  });
});
