import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type RawSettings, readSettings, SETTINGS } from '../../../src/app/settings.ts';
import type { RotaError } from '../../../src/kernel/error.ts';

const read = (given: RawSettings = {}, env: Record<string, string> = {}, config: Record<string, unknown> = {}) =>
  readSettings({ given, env, config });

/** The issues of settings that are refused. */
function faults(...sources: Parameters<typeof read>): string[] {
  try {
    read(...sources);
  } catch (error) {
    return (error as RotaError).issues.map(({ path, message }) => `${path} ${message}`);
  }
  return [];
}

describe('settings', () => {
  test('have the defaults of the table', () => {
    const settings = read();
    expect(settings).toMatchObject({
      nats: { kind: 'embedded', host: '127.0.0.1', port: 4222 },
      store: { kind: 'sqlite', path: resolve('data/rota.db') },
      dataFolder: resolve('data'),
      prefix: 'jobs',
      leaseMs: 30_000,
      beatMs: 5_000,
      pollMs: 1_000,
      graceMs: 15_000,
      route: 'local',
      leaderLeaseMs: 15_000,
      inboxPrefix: '_INBOX',
      logLevel: 'info',
    });
    expect([...settings.roles]).toEqual(['store', 'intake', 'queues', 'scheduler']);
    expect(settings.keepMs).toEqual({ completed: 604_800_000, cancelled: 604_800_000, discarded: 604_800_000 });
    expect(settings.queues).toBeUndefined();
    expect(Object.isFrozen(settings)).toBe(true);
  });

  test('given ones beat the environment, which beats the config file', () => {
    const config = { prefix: 'c', grace: '1s', lease: '60s' };
    const settings = read({ prefix: 'g' }, { ROTA_PREFIX: 'e', ROTA_GRACE: '2s' }, config);
    expect(settings).toMatchObject({ prefix: 'g', graceMs: 2_000, leaseMs: 60_000 });
  });

  test('an empty variable counts as none', () => {
    expect(read({}, { ROTA_PREFIX: '' }).prefix).toBe('jobs');
  });

  test.each([
    ['nats://a:4222,nats://b:4222', { kind: 'servers', servers: ['nats://a:4222', 'nats://b:4222'] }],
    ['embedded://127.0.0.1:0', { kind: 'embedded', host: '127.0.0.1', port: 0 }],
    ['localhost:4223', { kind: 'servers', servers: ['localhost:4223'] }],
  ])('read NATS from %s', (nats, place) => {
    expect(read({ nats }).nats).toEqual(place);
  });

  test('read queues, roles, keep times and credentials', () => {
    const settings = read({
      ...{ queues: 'default:10,mail:2', roles: 'queues', keep: 'completed=1d,discarded=30d' },
      ...{ natsUser: 'a', natsPassword: 'b', natsTlsCa: 'ca.pem' },
    });
    expect(settings.queues).toEqual(new Map([['default', 10], ['mail', 2]])); // biome-ignore format: reads as pairs
    expect([...settings.roles]).toEqual(['queues']);
    expect(settings.keepMs).toEqual({ completed: 86_400_000, cancelled: 604_800_000, discarded: 2_592_000_000 });
    expect(settings.credentials).toEqual({ user: 'a', password: 'b', tls: { caFile: 'ca.pem' } });
  });

  test('read how events are kept', () => {
    expect(read()).toMatchObject({ eventHistoryMs: undefined, natsReplicas: 'auto' });
    expect(read({ eventHistory: '7d' }, { ROTA_NATS_REPLICAS: '3' })).toMatchObject({
      ...{ eventHistoryMs: 604_800_000, natsReplicas: 3 },
    });
    expect(read({ eventHistory: 'off' }, { ROTA_EVENT_HISTORY: '7d' }).eventHistoryMs).toBeUndefined();
  });

  test('tell every mistake and where it came from', () => {
    const found = faults(
      { nats: 'http://x y', roles: 'cook', prefix: 'a.b' },
      { ROTA_LEASE: 'soon' },
      { queues: 'mail', speed: 1 },
    ).join('\n');
    for (const fault of [
      /^settings\.speed is not a known setting/m,
      /^settings\.nats must be embedded/m,
      /^ROTA_LEASE must be a duration/m,
      /^settings\.roles must be of/m,
      /^settings\.queues must be like/m,
      /^settings\.prefix must be one token/m,
    ]) {
      expect(found).toMatch(fault);
    }
  });

  test.each([
    [{ beat: '20s' }, /settings\.beat must be at most half of the lease/],
    [{ store: 'postgres://x/y?schema=A b' }, /no plain name/],
    [{ store: 'postgres:x' }, /must be sqlite:.* or postgres:/],
    [{ store: 'rota.db' }, /must be sqlite:/],
    [{ eventHistory: '10ms' }, /at least 1s/],
    [{ eventHistory: 'long' }, /duration/],
    [{ natsReplicas: '7' }, /auto, or a number from 1 to 5/],
    [{ keep: 'finished=1d' }, /no terminal state/],
    [{ keep: 'completed=1d,completed=2d' }, /names "completed" twice/],
    [{ queues: 'mail:1,default:2,mail:3' }, /names "mail" twice/],
    [{ poll: '0s' }, /longer than 0/],
    [{ logLevel: 'loud' }, /one of/],
    [{ natsInbox: 'a..b' }, /tokens/],
  ] as [RawSettings, RegExp][])('refuse %j', (given, message) => {
    expect(faults(given).join('\n')).toMatch(message);
  });

  test('have a variable and a text for each', () => {
    for (const [name, { env, what }] of Object.entries(SETTINGS)) {
      expect(env, name).toMatch(/^ROTA_[A-Z_]+$/);
      expect(what, name).not.toBe('');
    }
  });
});
