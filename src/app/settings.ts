import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { TERMINAL_STATES } from '../job/state.ts';
import { type Check, duration, Issues, isRecord, oneOf, string } from '../kernel/check.ts';
import { errorText } from '../kernel/error.ts';
import { isToken, TOKEN_RULE } from '../kernel/identity.ts';
import { LOG_LEVELS, type LogLevel } from '../kernel/log.ts';
import type { KeepMs } from '../store/job-store.ts';
import { readStoreUrl } from '../store/postgres/store-url.ts';
import { invalidConfig, QUEUE_LIMIT_MAX } from './configuration.ts';
import { historyTime, inboxPrefix, type NatsPlace, natsPlace, replicas } from './nats-setting-values.ts';

export type { NatsPlace } from './nats-setting-values.ts';

/** What a node can do. A node without `store` needs no database. */
export const ROLES = ['store', 'intake', 'queues', 'scheduler'] as const;
export type Role = (typeof ROLES)[number];

/** Where jobs are kept: a SQLite file (or `:memory:`) of this node alone, or a PostgreSQL database that nodes share. */
export type StorePlace = { kind: 'sqlite'; path: string } | { kind: 'postgres'; url: string };

/** How to be let in at NATS. Paths are of files. */
export interface NatsCredentials {
  user?: string;
  password?: string;
  token?: string;
  credsFile?: string;
  nkey?: string;
  tls?: { caFile?: string; certFile?: string; keyFile?: string };
}

/** Everything a node is told, checked and frozen. Durations are milliseconds. */
export interface Settings {
  nats: NatsPlace;
  credentials: NatsCredentials;
  store: StorePlace;
  dataFolder: string;
  roles: ReadonlySet<Role>;
  /** Which queues run here with which limits; undefined: the config's. */
  queues: ReadonlyMap<string, number> | undefined;
  node: string;
  prefix: string;
  leaseMs: number;
  beatMs: number;
  pollMs: number;
  graceMs: number;
  route: 'local' | 'broker';
  keepMs: KeepMs;
  leaderLeaseMs: number;
  inboxPrefix: string;
  /** On how many servers of a cluster our streams are kept; `auto`: on three. */
  natsReplicas: number | 'auto';
  /** How long JetStream keeps events; undefined: not at all. */
  eventHistoryMs: number | undefined;
  logLevel: LogLevel;
}

/** The settings as text or values, by their name in camel case: what flags, environment and config files hold. */
export type RawSettings = { [K in SettingName]?: unknown };

interface Setting<T> {
  env: string;
  /** What it is, for the help text. */
  what: string;
  fallback: string | undefined;
  read: Check<T>;
}

// biome-ignore lint/complexity/useMaxParams: a table with one short line per setting reads best so.
const setting = <T>(env: string, what: string, fallback: string | undefined, read: Check<T>): Setting<T> => ({
  env,
  what,
  fallback,
  read,
});
const text = string({ max: 4_096, what: 'a text' });
const token = string({ max: 64, accept: isToken, what: `one token: ${TOKEN_RULE}` });
const positive: Check<number> = (value, path, issues) => {
  const ms = duration(value, path, issues);
  return ms === 0 ? issues.add(path, 'must be longer than 0') : ms;
};

/** Every setting: its environment variable, what it is, its default and how it is read. Flags are the names in kebab case. */
export const SETTINGS = {
  config: setting('ROTA_CONFIG', 'config file', 'config/scheduler.ts', text),
  nats: setting('ROTA_NATS', 'embedded://host:port, or nats://host:port[,…]', 'embedded://127.0.0.1:4222', natsPlace),
  natsUser: setting('ROTA_NATS_USER', 'NATS user', undefined, text),
  natsPassword: setting('ROTA_NATS_PASSWORD', 'NATS password', undefined, text),
  natsToken: setting('ROTA_NATS_TOKEN', 'NATS token', undefined, text),
  natsCreds: setting('ROTA_NATS_CREDS', 'NATS credentials file', undefined, text),
  natsNkey: setting('ROTA_NATS_NKEY', 'NATS nkey seed, or a file that holds it', undefined, text),
  natsTlsCa: setting('ROTA_NATS_TLS_CA', 'PEM file of the authority to trust', undefined, text),
  natsTlsCert: setting('ROTA_NATS_TLS_CERT', 'PEM file of our certificate', undefined, text),
  natsTlsKey: setting('ROTA_NATS_TLS_KEY', 'PEM file of our key', undefined, text),
  natsInbox: setting('ROTA_NATS_INBOX', 'first tokens of reply subjects', '_INBOX', inboxPrefix),
  store: setting(
    'ROTA_STORE',
    'sqlite:<path>, sqlite::memory:, or postgres://user@host[,host]/database',
    undefined,
    storePlace,
  ),
  data: setting('ROTA_DATA', 'data folder', './data', text),
  roles: setting('ROTA_ROLES', `of ${ROLES.join(',')}`, ROLES.join(','), roleSet),
  queues: setting('ROTA_QUEUES', 'queues run here, like default:10,mail:2', undefined, queueLimits),
  node: setting('ROTA_NODE', 'node name', undefined, token),
  prefix: setting('ROTA_PREFIX', 'first token of all subjects', 'jobs', token),
  lease: setting('ROTA_LEASE', 'a worker silent for this long is dead', '30s', positive),
  beat: setting('ROTA_BEAT', 'how often workers give a sign of life', '5s', positive),
  poll: setting('ROTA_POLL', 'how often is looked for what no hint told', '1s', positive),
  grace: setting('ROTA_GRACE', 'how long handlers may run on at a stop', '15s', duration),
  route: setting(
    'ROTA_ROUTE',
    'local, or broker to send all actor traffic through NATS',
    'local',
    oneOf(['local', 'broker']),
  ),
  natsReplicas: setting(
    'ROTA_NATS_REPLICAS',
    'servers of a cluster that keep a stream: auto, 1 to 5',
    'auto',
    replicas,
  ),
  eventHistory: setting('ROTA_EVENT_HISTORY', 'how long JetStream keeps events: 7d, or off', 'off', historyTime),
  keep: setting('ROTA_KEEP', 'how long terminal jobs are kept: 7d, or completed=1d,discarded=30d', '7d', keepTimes),
  leaderLease: setting('ROTA_LEADER_LEASE', 'how long a lead lasts unless renewed', '15s', positive),
  logLevel: setting('ROTA_LOG_LEVEL', `one of ${LOG_LEVELS.join(', ')}`, 'info', oneOf(LOG_LEVELS)),
} as const;
export type SettingName = keyof typeof SETTINGS;
type Read<N extends SettingName> = (typeof SETTINGS)[N] extends Setting<infer T> ? T : never;

/** Where settings come from, the strongest first: given ones (flags, options of `start`), environment, config file. */
export interface SettingSources {
  given: RawSettings;
  env: Readonly<Record<string, string | undefined>>;
  config: Readonly<Record<string, unknown>>;
}

/**
 * Reads, checks and freezes the settings of a node.
 * @throws RotaError `invalid_config` with every mistake and where it came from
 */
export function readSettings(sources: SettingSources): Settings {
  const issues = new Issues();
  for (const key of [...Object.keys(sources.given), ...Object.keys(sources.config)]) {
    if (!Object.hasOwn(SETTINGS, key))
      issues.add(`settings.${key}`, `is not a known setting; known are ${Object.keys(SETTINGS).join(', ')}`);
  }
  const read = <N extends SettingName>(name: N): Read<N> | undefined => readSetting(name, sources, issues);
  const dataFolder = resolve(read('data') ?? './data');
  const leaseMs = read('lease') ?? Number.POSITIVE_INFINITY;
  const beatMs = read('beat') ?? 0;
  if (beatMs * 2 > leaseMs)
    issues.add('settings.beat', 'must be at most half of the lease, or a late beat costs a living worker its jobs');
  const settings: Settings = {
    nats: read('nats') ?? { kind: 'servers', servers: [] },
    credentials: credentialsOf(read),
    store: read('store') ?? { kind: 'sqlite', path: join(dataFolder, 'rota.db') },
    dataFolder,
    roles: read('roles') ?? new Set(),
    queues: read('queues'),
    node: read('node') ?? hostToken(),
    prefix: read('prefix') ?? 'jobs',
    leaseMs,
    beatMs,
    pollMs: read('poll') ?? 0,
    graceMs: read('grace') ?? 0,
    route: read('route') ?? 'local',
    keepMs: read('keep') ?? { completed: 0, cancelled: 0, discarded: 0 },
    leaderLeaseMs: read('leaderLease') ?? 0,
    inboxPrefix: read('natsInbox') ?? '_INBOX',
    natsReplicas: read('natsReplicas') ?? 'auto',
    eventHistoryMs: read('eventHistory')?.keepMs,
    logLevel: read('logLevel') ?? 'info',
  };
  if (!issues.none) throw invalidConfig(issues.list);
  return Object.freeze(settings);
}

function readSetting<N extends SettingName>(
  name: N,
  { given, env, config }: SettingSources,
  issues: Issues,
): Read<N> | undefined {
  const { env: variable, fallback, read } = SETTINGS[name];
  const [value, place] =
    given[name] !== undefined
      ? [given[name], `settings.${name}`]
      : env[variable] !== undefined && env[variable] !== ''
        ? [env[variable], variable]
        : config[name] !== undefined
          ? [config[name], `settings.${name}`]
          : [fallback, name];
  if (value === undefined) return undefined;
  // The table pairs each name with the check that reads it.
  return (read as Check<Read<N>>)(value, place, issues);
}

function credentialsOf(read: <N extends SettingName>(name: N) => Read<N> | undefined): NatsCredentials {
  const caFile = read('natsTlsCa');
  const certFile = read('natsTlsCert');
  const keyFile = read('natsTlsKey');
  const tls = given({ caFile, certFile, keyFile });
  return {
    ...given({
      user: read('natsUser'),
      password: read('natsPassword'),
      token: read('natsToken'),
      credsFile: read('natsCreds'),
      nkey: read('natsNkey'),
    }),
    ...(Object.keys(tls).length > 0 ? { tls } : {}),
  };
}

/** The fields that have a value. */
function given(fields: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined),
  );
}

function storePlace(value: unknown, path: string, issues: Issues): StorePlace | undefined {
  const place = typeof value === 'string' ? value : '';
  if (/^postgres(ql)?:\/\//.test(place)) {
    try {
      readStoreUrl(place);
      return { kind: 'postgres', url: place };
    } catch (error) {
      return issues.add(path, errorText(error));
    }
  }
  const file = place.startsWith('sqlite:') ? place.slice('sqlite:'.length) : '';
  if (file === '') return issues.add(path, 'must be sqlite:<path>, sqlite::memory: or postgres://user@host/database');
  return { kind: 'sqlite', path: file === ':memory:' ? file : resolve(file) };
}

function roleSet(value: unknown, path: string, issues: Issues): ReadonlySet<Role> | undefined {
  const words = Array.isArray(value) ? value : typeof value === 'string' ? value.split(',') : [];
  const roles = words.map((word) => ROLES.find((role) => role === String(word).trim()));
  const known = roles.filter((role) => role !== undefined);
  if (known.length === 0 || known.length < words.length) return issues.add(path, `must be of ${ROLES.join(',')}`);
  return new Set(known);
}

function queueLimits(value: unknown, path: string, issues: Issues): ReadonlyMap<string, number> | undefined {
  const pairs = isRecord(value)
    ? Object.entries(value)
    : String(value)
        .split(',')
        .map((pair) => pair.trim().split(':'));
  const limits = new Map<string, number>();
  for (const [name = '', limit, ...rest] of pairs) {
    const number = Number(limit);
    if (!isToken(name) || rest.length > 0 || !Number.isInteger(number) || number < 1 || number > QUEUE_LIMIT_MAX) {
      return issues.add(path, 'must be like default:10,mail:2');
    }
    if (limits.has(name)) return issues.add(path, `names "${name}" twice`);
    limits.set(name, number);
  }
  return limits;
}

function keepTimes(value: unknown, path: string, issues: Issues): KeepMs | undefined {
  const all = duration(typeof value === 'string' && value.includes('=') ? 0 : value, path, issues);
  if (all === undefined) return undefined;
  if (typeof value !== 'string' || !value.includes('=')) return { completed: all, cancelled: all, discarded: all };
  const weekMs = 7 * 86_400_000;
  const keep: KeepMs = { completed: weekMs, cancelled: weekMs, discarded: weekMs };
  const pairs = value.split(',');
  for (const [index, pair] of pairs.entries()) {
    const [word = '', time] = pair.split('=').map((part) => part.trim());
    const state = TERMINAL_STATES.find((known) => known === word);
    const ms = duration(time, path, issues);
    if (state === undefined)
      return issues.add(path, `"${word}" is no terminal state: use ${TERMINAL_STATES.join(', ')}`);
    if (ms === undefined) return undefined;
    const isSaidBefore = pairs.slice(0, index).some((other) => other.split('=')[0]?.trim() === word);
    if (isSaidBefore) return issues.add(path, `names "${word}" twice`);
    keep[state] = ms;
  }
  return keep;
}

function hostToken(): string {
  const name = hostname()
    .replace(/[^A-Za-z0-9_-]/g, '-')
    .slice(0, 48);
  return isToken(name) ? name : 'node';
}
