import { describe, expect, test } from 'vitest';
import { systemClock as clock } from '../../../src/kernel/clock.ts';
import { Body } from '../../../src/messaging/body.ts';
import type { BusState } from '../../../src/messaging/bus.ts';
import { LocalRoute } from '../../../src/messaging/local/local-route.ts';
import { MemoryBroker } from '../../../src/messaging/memory/memory-broker.ts';
import { answer, ask } from '../../../src/messaging/reply.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import { seeded } from '../../conformance/messaging/bus-worlds.ts';

const subjects = new Subjects('jobs');
const json = (value: unknown) => ({ body: Body.of(value, 'json') });

function makeWorld() {
  const broker = new MemoryBroker({ clock, random: seeded(1) });
  const connect = (name: string, noEcho = false) => broker.connect({ name, subjects, noEcho });
  const route = new LocalRoute({ route: 'local', clock, subjects });
  return { broker, connect, route };
}

describe('a local route', () => {
  test('works without a remote, and says what it cannot do', async () => {
    const { route } = makeWorld();
    route.subscribe('jobs.echo', { group: 'g' }, (message) => answer(message, message.body.value));
    const value = { same: 'object' };
    expect(await ask(route, 'jobs.echo', { value, timeoutMs: 1_000 }), 'the value is not encoded').toBe(value);
    const elsewhere = ask(route, 'jobs.elsewhere', { value, timeoutMs: 1_000 });
    await expect(elsewhere).rejects.toMatchObject({ code: 'unavailable' });
    expect(route.state).toBe('down');
    await expect(route.flush()).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('outlives its remotes: subscriptions move, waiting requests fail, a flush tells of the loss', async () => {
    const { connect, route } = makeWorld();
    const stranger = connect('stranger');
    const states: BusState[] = [];
    route.onState((state) => states.push(state));
    route.subscribe('jobs.echo', { group: 'g' }, (message) => answer(message, message.body.value));
    stranger.subscribe('jobs.mute', {}, () => {});
    const [first, second] = [connect('first', true), connect('second', true)];
    route.attach(first);
    expect(await ask(stranger, 'jobs.echo', { value: 1, timeoutMs: 1_000 })).toBe(1);
    const waiting = expect(ask(route, 'jobs.mute', { value: 1, timeoutMs: 60_000 })).rejects.toMatchObject({
      code: 'unavailable',
    });
    route.publish('jobs.events.x', json(1));
    route.attach(second);
    await waiting;
    await expect(route.flush()).rejects.toMatchObject({ code: 'unavailable' });
    await route.flush();
    expect(await ask(stranger, 'jobs.echo', { value: 2, timeoutMs: 1_000 })).toBe(2);
    await second.close();
    await expect(ask(route, 'jobs.mute', { value: 1, timeoutMs: 60_000 })).rejects.toMatchObject({
      code: 'unavailable',
    });
    expect(await ask(route, 'jobs.echo', { value: 3, timeoutMs: 1_000 })).toBe(3);
    route.detach();
    expect(states).toEqual(['up', 'down', 'up', 'down']);
    await first.close();
  });

  test('made while the remote is closed, a subscription is served by the next one', async () => {
    const { connect, route } = makeWorld();
    const remote = connect('first', true);
    route.attach(remote);
    await remote.close();
    route.subscribe('jobs.echo', {}, (message) => answer(message, 'ok'));
    route.attach(connect('second', true));
    expect(await ask(connect('stranger'), 'jobs.echo', { value: 1, timeoutMs: 1_000 })).toBe('ok');
  });

  test('what is for parts of this process only is not served to others, unless all goes through the broker', async () => {
    const { connect, route } = makeWorld();
    route.attach(connect('here', true));
    route.subscribe('jobs.own', { own: true }, (message) => answer(message, 'ok'));
    const stranger = connect('stranger');
    expect(await ask(route, 'jobs.own', { value: 1, timeoutMs: 1_000 })).toBe('ok');
    await expect(ask(stranger, 'jobs.own', { value: 1, timeoutMs: 1_000 })).rejects.toMatchObject({
      code: 'unavailable',
    });
    const open = new LocalRoute({ route: 'broker', clock, subjects });
    open.attach(connect('there'));
    open.subscribe('jobs.open', { own: true }, (message) => answer(message, 'ok'));
    expect(await ask(stranger, 'jobs.open', { value: 1, timeoutMs: 1_000 })).toBe('ok');
  });

  test('delivers after the call that publishes, in order, and once also with a remote', async () => {
    const { connect, route } = makeWorld();
    route.attach(connect('here', true));
    const seen: unknown[] = [];
    const done = Promise.withResolvers<void>();
    route.subscribe('jobs.n', {}, (message) => {
      seen.push(message.body.value);
      if (seen.length === 2_000) done.resolve();
    });
    for (let n = 0; n < 2_000; n++) route.publish('jobs.n', json(n));
    expect(seen).toEqual([]);
    await done.promise;
    await route.flush();
    expect(seen).toEqual(Array.from({ length: 2_000 }, (_, n) => n));
  });

  test('two parts that only talk to each other starve no timer', async () => {
    const { route } = makeWorld();
    let over = false;
    route.subscribe('jobs.ping', {}, () => {
      if (!over) route.publish('jobs.pong', json({}));
    });
    route.subscribe('jobs.pong', {}, () => {
      if (!over) route.publish('jobs.ping', json({}));
    });
    route.publish('jobs.ping', json({}));
    await new Promise<void>((resolve) => void clock.setTimeout(resolve, 1));
    over = true;
  });

  test('takes the members of a group here in turn', async () => {
    const { route } = makeWorld();
    const seen: string[] = [];
    for (const name of ['a', 'b', 'c']) {
      route.subscribe('jobs.turn', { group: 'g' }, (message) => {
        seen.push(name);
        answer(message, name);
      });
    }
    for (let n = 0; n < 6; n++) await ask(route, 'jobs.turn', { value: {}, timeoutMs: 1_000 });
    expect(seen).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
  });

  test('a listener that throws disturbs nobody and is told', () => {
    const told: unknown[] = [];
    const { connect } = makeWorld();
    const route = new LocalRoute({ route: 'local', clock, subjects, onError: (error) => told.push(error) });
    const states: BusState[] = [];
    route.onState(() => {
      throw new Error('listener');
    });
    route.onState((state) => states.push(state));
    route.attach(connect('here', true));
    expect(states).toEqual(['up']);
    expect(told).toHaveLength(1);
  });
});
