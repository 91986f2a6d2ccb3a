import { RotaError } from '../../kernel/error.ts';

/** What a store's URL says. */
export interface StoreUrl {
  /** For the driver: without what is ours. */
  url: string;
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

/**
 * Reads a store's URL: `postgres://user:password@host:port/database` with the driver's own parameters, and ours:
 * `schema` (default `rota`), `prepare` (`true` or `false`), `pool` (1 to 64, default 4).
 * @throws RotaError `invalid_config`
 */
export function readStoreUrl(text: string): StoreUrl {
  const refuse = (why: string): RotaError => new RotaError('invalid_config', `the store's URL ${why}`);
  if (!URL.canParse(text)) throw refuse('is none');
  const url = new URL(text);
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') throw refuse('must begin with postgres://');
  const taken = (name: string): string | undefined => {
    const value = url.searchParams.get(name) ?? undefined;
    url.searchParams.delete(name);
    return value;
  };
  const schema = taken('schema') ?? 'rota';
  if (!SCHEMA.test(schema)) throw refuse('has a schema that is no plain name: [a-z_][a-z0-9_]{0,62}');
  const prepare = taken('prepare') ?? 'true';
  if (prepare !== 'true' && prepare !== 'false') throw refuse('has a prepare that is neither true nor false');
  const pool = Number(taken('pool') ?? POOL_DEFAULT);
  if (!Number.isInteger(pool) || pool < 1 || pool > POOL_MAX) throw refuse(`has a pool that is not 1 to ${POOL_MAX}`);
  return { url: url.href, schema, prepare: prepare === 'true', pool };
}
