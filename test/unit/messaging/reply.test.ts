import { describe, expect, it } from 'vitest';
import { Body } from '../../../src/messaging/body.ts';
import { encode } from '../../../src/messaging/codec.ts';
import { LocalRoute } from '../../../src/messaging/local/local-route.ts';
import { answer } from '../../../src/messaging/reply.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

const replyTo = async (contentType: string | undefined): Promise<string | undefined> => {
  const clock = new VirtualClock(0);
  const bus = new LocalRoute({ route: 'local', clock, subjects: new Subjects('jobs') });
  bus.subscribe('jobs.x', {}, (message) => answer(message, { fine: true }));
  const body = Body.encoded(encode({}, 'json'), contentType);
  const { body: reply } = await bus.request('jobs.x', { body }, { timeoutMs: 1_000 });
  await bus.close();
  return reply.contentType;
};

describe('the codec of a reply', () => {
  it.each([
    ['application/msgpack', 'application/msgpack'],
    ['Application/MsgPack; v=5', 'application/msgpack'],
    [undefined, undefined],
    ['application/json; charset=utf-8', undefined],
    ['application/x-msgpack', undefined],
    ['application/vnd.msgpack', undefined],
    ['text/plain', undefined],
  ])('to %s is the request’s own where we speak it, else JSON', async (asked, answered) => {
    expect(await replyTo(asked)).toBe(answered);
  });
});
