import { RotaError } from '../../kernel/error.ts';

/**
 * What a server must be to be worked with: no standby (`primary`), or besides one whose sessions may write unless they say
 * otherwise (`read-write`: its `default_transaction_read_only` is off).
 */
export type ServerNeed = 'primary' | 'read-write';

/** What a store's URL says. */
export interface StoreUrl {
  /** For the driver, one for each host that it names, in order: without what is ours. */
  urls: readonly string[];
  needs: ServerNeed;
  /** The schema that holds the tables. */
  schema: string;
  /** Whether statements are prepared by name on their connection; not behind poolers in transaction mode. */
  prepare: boolean;
  /** Connections at most, beside those for leadership and nodes. */
  pool: number;
}

const SCHEMA = /^[a-z_][a-z0-9_]{0,62}$/;
const POOL_MAX = 64;
const POOL_DEFAULT = 4;
/** Scheme, user with password, hosts with ports, and the rest. A user ends at the last `@` before the path. */
const PARTS = /^([a-z]+:\/\/)([^/?#]*@)?([^/?#]*)(.*)$/is;

/**
 * Reads a store's URL: `postgres://user:password@host:port/database` with the driver's own parameters, and ours:
 * `schema` (default `rota`), `prepare` (`true` or `false`), `pool` (1 to 64, default 4). Several hosts, `h1:5432,h2:5432`,
 * are a primary and its standbys, tried in turn for the one that takes writes; `target_session_attrs` (`primary`, the
 * default, or `read-write`) says what is meant by that.
 * @throws RotaError `invalid_config`
 */
export function readStoreUrl(text: string): StoreUrl {
  const urls = hostsApart(text).map(parsed);
  const taken = (name: string): string | undefined => {
    const value = urls[0]?.searchParams.get(name) ?? undefined;
    for (const url of urls) url.searchParams.delete(name);
    return value;
  };
  const needs = taken('target_session_attrs') ?? 'primary';
  if (needs !== 'primary' && needs !== 'read-write') {
    throw refusal('has a target_session_attrs that is neither primary nor read-write: a store is written to');
  }
  const schema = taken('schema') ?? 'rota';
  if (!SCHEMA.test(schema)) throw refusal('has a schema that is no plain name: [a-z_][a-z0-9_]{0,62}');
  const prepare = taken('prepare') ?? 'true';
  if (prepare !== 'true' && prepare !== 'false') throw refusal('has a prepare that is neither true nor false');
  const pool = Number(taken('pool') ?? POOL_DEFAULT);
  if (!Number.isInteger(pool) || pool < 1 || pool > POOL_MAX) throw refusal(`has a pool that is not 1 to ${POOL_MAX}`);
  return { urls: urls.map(({ href }) => href), needs, schema, prepare: prepare === 'true', pool };
}

const refusal = (why: string): RotaError => new RotaError('invalid_config', `the store's URL ${why}`);

/** The URL once for each host that it names. */
function hostsApart(text: string): string[] {
  const [, scheme = '', user = '', hosts = '', rest = ''] = PARTS.exec(text) ?? [];
  if (!hosts.includes(',')) return [text];
  return hosts.split(',').map((host) => {
    if (host === '') throw refusal('names an empty host between commas');
    return `${scheme}${user}${host}${rest}`;
  });
}

function parsed(text: string): URL {
  if (!URL.canParse(text)) throw refusal('is none');
  const url = new URL(text);
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') throw refusal('must begin with postgres://');
  if (['host', 'port'].some((name) => url.searchParams.get(name)?.includes(','))) {
    throw refusal('names several hosts by a parameter; write them before the database: h1:5432,h2:5432');
  }
  return url;
}
