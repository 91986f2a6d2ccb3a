import { DatabaseError } from 'pg';
import { errorText, RotaError } from '../../kernel/error.ts';

/** What kind of failure a statement met. */
export type Fault =
  /** Others were in the way (deadlock, serialization): the group may be run again at once. */
  | 'conflict'
  /** The server or the way to it is away: the group may be run again on another connection. */
  | 'connection'
  /** The server is there but cannot write (full disk, no memory, cancelled): nothing of the group can be written. */
  | 'world'
  /** The request itself, or a bug of ours. */
  | 'request';

/** SQLSTATE of whoever is to blame. See https://www.postgresql.org/docs/current/errcodes-appendix.html */
const CONFLICT = new Set(['40001', '40P01', '55P03']);
const CONNECTION = new Set(['57P01', '57P02', '57P03', '57P05', '53300', '25006', '25P03', '0A000', '26000', '42P05']);
/** Classes: insufficient resources, operator intervention, system error, internal error, invalid transaction state. */
const WORLD_CLASSES = new Set(['53', '57', '58', 'XX', '25']);
/** The config is wrong, and trying again will not mend it: no such database, role or right, or a wrong password. */
const CONFIG = new Set(['3D000', '28000', '28P01', '42501', '3F000']);

/** The SQLSTATE of what was thrown; undefined where the server did not say one. */
export function sqlState(thrown: unknown): string | undefined {
  return thrown instanceof DatabaseError ? thrown.code : undefined;
}

/** Which kind of failure was thrown. What the driver itself throws (sockets, its own time-outs) is a connection's. */
export function faultOf(thrown: unknown): Fault {
  const state = sqlState(thrown);
  if (state !== undefined) {
    if (CONFLICT.has(state)) return 'conflict';
    if (CONNECTION.has(state) || state.startsWith('08')) return 'connection';
    return WORLD_CLASSES.has(state.slice(0, 2)) ? 'world' : 'request';
  }
  return thrown instanceof LostConnection ? 'connection' : 'request';
}

/** Whether an error at opening is one of the config, which no waiting mends. */
export function isConfigFault(thrown: unknown): boolean {
  const state = sqlState(thrown);
  return state !== undefined && CONFIG.has(state);
}

/** Whether a row that was inserted is there already. */
export const isThereAlready = (thrown: unknown): boolean => sqlState(thrown) === '23505';

/** Whether a transaction's number that was asked about is higher than any that was given. */
export const isInFuture = (thrown: unknown): boolean => sqlState(thrown) === '22023';

/** Whether a connection was refused for what it asked to begin with: there is a pooler in between. */
export const refusesSettings = (thrown: unknown): boolean => sqlState(thrown) === '08P01';

/** Why there is no connection. Of a host with several addresses Node tells an error for each, and nothing of its own. */
export function connectText(thrown: unknown): string {
  return thrown instanceof AggregateError ? thrown.errors.map(errorText).join('; ') : errorText(thrown);
}

/** The connection broke, or no answer came in time. */
export class LostConnection extends Error {
  override readonly name: string = 'LostConnection';
}

/** What the server said stays; anything else that the driver throws is about the connection. */
export function asFault(thrown: unknown): unknown {
  if (sqlState(thrown) !== undefined || thrown instanceof LostConnection) return thrown;
  return new LostConnection(`no connection to the database: ${connectText(thrown)}`, { cause: thrown });
}

/** What a group that could not be written is refused with. */
export function unavailable(cause: unknown): RotaError {
  return new RotaError('unavailable', `the store could not write: ${errorText(cause)}`, { cause });
}
