import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RotaError } from '../../../src/kernel/error.ts';
import { Body } from '../../../src/messaging/body.ts';
import type { Bus, BusState, Message, SubscribeOptions } from '../../../src/messaging/bus.ts';
import { answer, ask, replyValue } from '../../../src/messaging/reply.ts';

/** Two users of one bus, and what can be done to it. */
export interface BusWorld {
  near: Bus;
  far: Bus;
  /** Resolves when subscriptions and publishes made so far have taken effect everywhere. */
  settled(): Promise<void>;
  /** A program that is not ours: it may name any reply subject, and hears everything. */
  stranger: Stranger;
  /** Takes the broker away and brings it back. */
  outage?: { begin(): Promise<void>; end(): Promise<void> };
  dispose(): Promise<void>;
}

export interface Stranger {
  publish(subject: string, reply: string): void;
  /** Resolves when the subscription has taken effect. */
  subscribe(subject: string, listener: (subject: string) => void): Promise<void>;
}

export interface BusConformanceOptions {
  makeWorld(): Promise<BusWorld>;
  /** Whether requests from near to far leave the process, so that size limits and outages touch them. */
  leavesProcess: boolean;
}

const json = (value: unknown) => ({ body: Body.of(value, 'json') });
const SECOND = { timeoutMs: 10_000 };

/** What any bus must do. Each adapter runs it over each way it can be put together. */
export function busConformance(name: string, options: BusConformanceOptions): void {
  describe(name, () => {
    let world: BusWorld;
    let near: Bus;
    let far: Bus;
    beforeEach(async () => {
      world = await options.makeWorld();
      ({ near, far } = world);
    });
    afterEach(() => world.dispose());

    const serve = async (subject: string, handler: (message: Message) => void, more: SubscribeOptions = {}) => {
      const subscription = far.subscribe(subject, more, handler);
      await world.settled();
      return subscription;
    };

    describe('publishing', () => {
      test('carries subject, body and headers', async () => {
        const { messages, got } = collector(1);
        await serve('jobs.t.one', got);
        near.publish('jobs.t.one', { ...json({ a: [1, 'ä'] }), headers: { 'X-Some': 'thing' } });
        const [message] = await messages;
        expect(message?.subject).toBe('jobs.t.one');
        expect(message?.body.value).toEqual({ a: [1, 'ä'] });
        expect(message?.body.contentType).toBeUndefined();
        expect(message?.headers).toMatchObject({ 'X-Some': 'thing' });
        expect(message?.reply).toBeUndefined();
      });

      test('carries MessagePack and empty bodies', async () => {
        const { messages, got } = collector(2);
        await serve('jobs.t.codec', got);
        near.publish('jobs.t.codec', { body: Body.of({ n: 1 }, 'msgpack') });
        near.publish('jobs.t.codec', { body: Body.encoded(new Uint8Array(0), undefined) });
        const [packed, empty] = await messages;
        expect(packed?.body.codec).toBe('msgpack');
        expect(packed?.body.value).toEqual({ n: 1 });
        expect(packed?.headers['Content-Type']).toBeUndefined();
        expect(empty?.body.value).toEqual({});
        expect(empty?.body.bytes).toHaveLength(0);
      });

      test('knows the wildcards', async () => {
        const seen: string[] = [];
        const { messages, got } = collector(1);
        far.subscribe('jobs.w.*', {}, (message) => void seen.push(`* ${message.subject}`));
        far.subscribe('jobs.w.>', {}, (message) => void seen.push(`> ${message.subject}`));
        far.subscribe('jobs.*.a.b', {}, (message) => void seen.push(`m ${message.subject}`));
        await serve('jobs.end', got);
        for (const subject of ['jobs.w', 'jobs.w.a', 'jobs.w.a.b', 'jobs.x.a', 'jobs.end'])
          near.publish(subject, json(1));
        await messages;
        await world.settled();
        expect(seen.sort()).toEqual(['* jobs.w.a', '> jobs.w.a', '> jobs.w.a.b', 'm jobs.w.a.b']);
      });

      test('gives a message to one of each group and to everyone without', async () => {
        const counts = { one: 0, two: 0, other: 0, plain: 0 };
        const { messages, got } = collector(50);
        far.subscribe('jobs.g', { group: 'g' }, () => void counts.one++);
        far.subscribe('jobs.*', { group: 'g' }, () => void counts.two++);
        far.subscribe('jobs.g', { group: 'h' }, () => void counts.other++);
        far.subscribe('jobs.g', {}, () => void counts.plain++);
        await serve('jobs.g', got);
        for (let n = 0; n < 50; n++) near.publish('jobs.g', json(n));
        await messages;
        await world.settled();
        expect(counts.one + counts.two).toBe(50);
        expect(counts).toMatchObject({ other: 50, plain: 50 });
        expect(Math.min(counts.one, counts.two)).toBeGreaterThan(0);
      });

      test('divides a group over both sides, each message once', async () => {
        let seen = 0;
        const { messages, got } = collector(40);
        near.subscribe('jobs.both', { group: 'g' }, () => void seen++);
        far.subscribe('jobs.both', { group: 'g' }, () => void seen++);
        await serve('jobs.both', got);
        for (let n = 0; n < 40; n++) near.publish('jobs.both', json(n));
        await messages;
        await world.settled();
        await world.settled();
        expect(seen).toBe(40);
      });

      test('reaches its own subscriptions once', async () => {
        const { messages, got } = collector(1);
        let seen = 0;
        near.subscribe('jobs.own', {}, (message) => {
          seen += 1;
          got(message);
        });
        await world.settled();
        near.publish('jobs.own', json(1));
        await messages;
        await world.settled();
        expect(seen).toBe(1);
      });

      test('keeps the order of one publisher', async () => {
        const { messages, got } = collector(1_000);
        await serve('jobs.order.>', got);
        for (let n = 0; n < 1_000; n++) near.publish(`jobs.order.${n % 3}`, json(n));
        expect((await messages).map((message) => message.body.value)).toEqual(
          Array.from({ length: 1_000 }, (_, n) => n),
        );
      });

      test('refuses what is no subject', () => {
        for (const subject of ['', 'jobs..a', 'jobs.a b', 'jobs.*', 'jobs.>', '.jobs']) {
          expect(() => near.publish(subject, json(1))).toThrow(RotaError);
        }
        for (const subject of ['', 'jobs..a', 'jobs.>.a', 'jobs a']) {
          expect(() => near.subscribe(subject, {}, () => {})).toThrow(RotaError);
        }
      });
    });

    describe('requests', () => {
      test.each(['json', 'msgpack'] as const)('are answered, in %s', async (codec) => {
        await serve('jobs.r.echo', (message) => answer(message, { got: message.body.value }), { group: 'g' });
        const reply = await near.request(
          'jobs.r.echo',
          { body: Body.of({ a: 1 }, codec), headers: { H: '1' } },
          SECOND,
        );
        expect(reply.body.codec).toBe(codec);
        expect(replyValue(reply)).toEqual({ got: { a: 1 } });
      });

      test('carry headers there and back', async () => {
        await serve('jobs.r.headers', (message) => {
          expect(message.reply).toBeTypeOf('string');
          message.respond({ ...json({}), headers: { Back: `${message.headers.There}!` } });
        });
        const reply = await near.request('jobs.r.headers', { ...json({}), headers: { There: 'x' } }, SECOND);
        expect(reply.headers.Back).toBe('x!');
      });

      test('run a thousand at once, each with its own answer', async () => {
        await serve('jobs.r.many', async (message) => answer(message, message.body.value));
        const answers = await Promise.all(
          Array.from({ length: 1_000 }, (_, n) => ask(near, 'jobs.r.many', { value: n, ...SECOND })),
        );
        expect(answers).toEqual(Array.from({ length: 1_000 }, (_, n) => n));
      });

      test('that nobody serves fail at once', async () => {
        await expect(near.request('jobs.r.nobody', json({}), { timeoutMs: 60_000 })).rejects.toMatchObject({
          code: 'unavailable',
        });
      });

      test('without an answer time out', async () => {
        await serve('jobs.r.mute', () => {});
        await expect(near.request('jobs.r.mute', json({}), { timeoutMs: 30 })).rejects.toMatchObject({
          code: 'timeout',
        });
      });

      test('are answered at most once', async () => {
        await serve('jobs.r.twice', (message) => {
          answer(message, 1);
          answer(message, 2);
        });
        expect(await ask(near, 'jobs.r.twice', { value: {}, ...SECOND })).toBe(1);
        expect(await ask(near, 'jobs.r.twice', { value: {}, ...SECOND })).toBe(1);
      });

      test('to a handler that fails are answered with an error', async () => {
        const errors: unknown[] = [];
        const onError = (error: unknown) => void errors.push(error);
        far.subscribe('jobs.r.throws', { onError }, () => {
          throw new RotaError('conflict', 'it is executing', { issues: [{ path: 'id', message: 'no' }] });
        });
        await serve('jobs.r.rejects', () => Promise.reject(new Error('boom')), { onError });
        await expect(ask(near, 'jobs.r.throws', { value: {}, ...SECOND })).rejects.toMatchObject({
          code: 'conflict',
          message: 'it is executing',
          issues: [{ path: 'id', message: 'no' }],
        });
        await expect(ask(near, 'jobs.r.rejects', { value: {}, ...SECOND })).rejects.toMatchObject({
          code: 'unavailable',
        });
        expect(errors).toHaveLength(2);
      });

      test('with a body that cannot be written fail and harm nobody', async () => {
        await serve('jobs.r.circle', (message) => {
          const circle: Record<string, unknown> = {};
          circle.it = circle;
          answer(message, options.leavesProcess ? circle : { it: {} });
        });
        const asked = ask(near, 'jobs.r.circle', { value: {}, codec: 'json', ...SECOND });
        if (options.leavesProcess) await expect(asked).rejects.toMatchObject({ code: 'unavailable' });
        else expect(await asked).toEqual({ it: {} });
      });
    });

    describe('bounds', () => {
      test('an inbox that is full refuses requests and drops publishes', async () => {
        const release = deferred<void>();
        const entered = deferred<void>();
        const subscription = await serve(
          'jobs.b.full',
          (message) => {
            entered.resolve();
            return release.promise.then(() => answer(message, 'done'));
          },
          { inboxMax: 1 },
        );
        const first = ask(near, 'jobs.b.full', { value: {}, ...SECOND });
        await entered.promise;
        await expect(ask(near, 'jobs.b.full', { value: {}, ...SECOND })).rejects.toMatchObject({ code: 'overloaded' });
        near.publish('jobs.b.full', json({}));
        await expect(ask(near, 'jobs.b.full', { value: {}, ...SECOND })).rejects.toMatchObject({ code: 'overloaded' });
        release.resolve();
        expect(await first).toBe('done');
        await world.settled();
        expect(subscription.overflowed).toBe(3);
        expect(await ask(near, 'jobs.b.full', { value: {}, ...SECOND })).toBe('done');
      });

      test('bodies up to the largest go, beyond it there is a clear error', async () => {
        await serve('jobs.b.big', (message) => answer(message, message.body.bytes.length));
        const sized = (bytes: number) => ({ body: Body.encoded(new Uint8Array(bytes), 'application/json') });
        const max = near.payloadBytesMax;
        expect(max).toBeGreaterThan(900_000);
        expect(replyValue(await near.request('jobs.b.big', sized(max), SECOND))).toBe(max);
        expect(() => near.publish('jobs.b.big', sized(max + 1))).toThrow(
          expect.objectContaining({ code: 'too_large' }),
        );
        if (!options.leavesProcess) return;
        await expect(ask(near, 'jobs.b.big', { value: 'x'.repeat(max + 1), ...SECOND })).rejects.toMatchObject({
          code: 'too_large',
        });
      });

      test('an answer that is too large becomes an error', async () => {
        if (!options.leavesProcess) return;
        await serve('jobs.b.bigger', (message) => answer(message, 'x'.repeat(far.payloadBytesMax + 1)));
        await expect(ask(near, 'jobs.b.bigger', { value: {}, ...SECOND })).rejects.toMatchObject({ code: 'too_large' });
      });
    });

    describe('ends', () => {
      test('unsubscribing ends the messages, not those under way', async () => {
        const release = deferred<void>();
        const entered = deferred<void>();
        let seen = 0;
        const subscription = await serve('jobs.e.un', async (message) => {
          seen += 1;
          entered.resolve();
          await release.promise;
          answer(message, 'late');
        });
        const first = ask(near, 'jobs.e.un', { value: {}, ...SECOND });
        await entered.promise;
        subscription.unsubscribe();
        subscription.unsubscribe();
        await world.settled();
        await expect(ask(near, 'jobs.e.un', { value: {}, ...SECOND })).rejects.toMatchObject({ code: 'unavailable' });
        release.resolve();
        expect(await first).toBe('late');
        expect(seen).toBe(1);
      });

      test('a closed bus says so', async () => {
        await serve('jobs.e.mute', () => {});
        const waiting = near.request('jobs.e.mute', json({}), SECOND);
        const failed = expect(waiting).rejects.toMatchObject({ code: 'closed' });
        await near.close();
        await failed;
        await near.close();
        await expect(near.request('jobs.e.mute', json({}), SECOND)).rejects.toMatchObject({ code: 'closed' });
        await expect(near.flush()).rejects.toMatchObject({ code: 'closed' });
        expect(() => near.subscribe('jobs.e', {}, () => {})).toThrow(expect.objectContaining({ code: 'closed' }));
        expect(() => near.publish('jobs.e.mute', json({}))).not.toThrow();
        expect(near.state).toBe('down');
      });
    });

    test('never answers to our own subjects or the system', async () => {
      const heard: string[] = [];
      const answered = deferred<void>();
      await world.stranger.subscribe('>', (subject) => {
        heard.push(subject);
        if (subject === 'elsewhere.inbox') answered.resolve();
      });
      await serve('jobs.s.ask', (message) => answer(message, {}));
      for (const reply of ['jobs.forged', '$SYS.forged', 'elsewhere.inbox'])
        world.stranger.publish('jobs.s.ask', reply);
      await answered.promise;
      expect(heard.filter((subject) => !subject.startsWith('_INBOX') && subject !== 'jobs.s.ask')).toEqual([
        'elsewhere.inbox',
      ]);
    });

    test('lives through an outage', async () => {
      const { outage } = world;
      if (outage === undefined) return;
      const states: BusState[] = [];
      const regained = deferred<void>();
      near.onState((state) => {
        states.push(state);
        if (state === 'up') regained.resolve();
      });
      const farRegained = deferred<void>();
      far.onState((state) => state === 'up' && farRegained.resolve());
      await serve('jobs.o.echo', (message) => answer(message, message.body.value), { group: 'g' });
      await serve('jobs.o.mute', () => {});
      near.publish('jobs.o.before', json(1));
      await near.flush();
      const underWay = near.request('jobs.o.mute', json({}), options.leavesProcess ? SECOND : { timeoutMs: 30 });
      const failed = expect(underWay).rejects.toMatchObject({
        code: options.leavesProcess ? 'unavailable' : 'timeout',
      });
      await outage.begin();
      await failed;
      expect(near.state).toBe('down');
      await expect(near.flush()).rejects.toMatchObject({ code: 'unavailable' });
      near.publish('jobs.o.lost', json(1));
      const during = ask(near, 'jobs.o.echo', { value: 1, ...SECOND });
      if (options.leavesProcess) await expect(during).rejects.toMatchObject({ code: 'unavailable' });
      else expect(await during).toBe(1);
      await outage.end();
      await Promise.all([regained.promise, farRegained.promise]);
      await expect(near.flush(), 'it must tell of what was lost').rejects.toMatchObject({ code: 'unavailable' });
      await near.flush();
      // Where both share a way to the broker, the far one hears of the loss, too.
      await far.flush().catch(() => far.flush());
      expect(await ask(near, 'jobs.o.echo', { value: 2, ...SECOND })).toBe(2);
      expect(states).toEqual(['down', 'up']);
    });
  });
}

function collector(count: number): { messages: Promise<Message[]>; got: (message: Message) => void } {
  const found: Message[] = [];
  const done = deferred<Message[]>();
  const got = (message: Message): void => {
    found.push(message);
    if (found.length === count) done.resolve(found);
  };
  return { messages: done.promise, got };
}

function deferred<T>(): PromiseWithResolvers<T> {
  return Promise.withResolvers<T>();
}
