import type { ArgsOf, EnqueueOptions } from '../job/definition.ts';
import { queueName } from '../job/job-fields.ts';
import { at, Issues, isRecord } from '../kernel/check.ts';
import { systemClock } from '../kernel/clock.ts';
import { errorText, type Issue, RotaError, type WireErrorCode } from '../kernel/error.ts';
import { uuidSource } from '../kernel/identity.ts';
import { readEnqueue } from '../messaging/contract/enqueue.ts';
import { type JobTypeRef, jobBody, queueOf } from './job-body.ts';

/** A connection of `pg` in which a transaction was begun: a `Client`, or what a `Pool` lends. */
export interface PgClient {
  query(text: string, values: string[]): Promise<{ rows: unknown[] }>;
}

/** A transaction of `postgres` (postgres.js): what `sql.begin` gives. */
export interface PostgresJsClient {
  unsafe(text: string, values: string[]): PromiseLike<readonly unknown[]>;
}

/** What a statement can be run with. */
export type SqlClient = PgClient | PostgresJsClient;

/** Options of {@link enqueueWith}: those of any enqueue, and where Rota's tables are. */
export interface SqlEnqueueOptions extends EnqueueOptions {
  /** The schema of the store. Default `rota`. */
  schema?: string;
}

const SCHEMA_DEFAULT = 'rota';
const newId = uuidSource(systemClock);

/**
 * Enqueues a job in a transaction of one's own on the PostgreSQL database that is Rota's store: it is there from the commit
 * on, and never if that transaction rolls back. What can be known to be wrong is told before the database is asked, so
 * that it costs nobody's transaction; what only a node knows (types, schemas of args, queues) puts the job into the
 * rejected list after the commit.
 * @param sql runs the statement; loads no database code
 * @param type its name, or its definition
 * @returns the job's id
 * @throws RotaError for what is wrong with the job, `forbidden` without the right to enqueue, `invalid_config` where the
 * schema has no such function; or what the driver throws of connection and transaction, as it is
 */
export async function enqueueWith<T extends JobTypeRef>(
  sql: SqlClient,
  type: T,
  ...rest: [args?: ArgsOf<T>, options?: SqlEnqueueOptions]
): Promise<string> {
  const [args, { schema = SCHEMA_DEFAULT, traceparent, ...options } = {}] = rest;
  const queue = queueOf(type, options);
  const { id = newId() } = options;
  const body = jobBody({ type, args }, { ...options, id });
  refuseQueue(queue);
  readEnqueue(body);
  refuseUnholdable(body);
  const { type: name, args: content = {}, ...others } = body;
  const said = traceparent === undefined ? others : { ...others, traceparent };
  // As texts: a driver that asks the server for types would write a text that is bound as jsonb as JSON once more.
  const text = `select ${quoted(schema)}.enqueue($1::text, $2::text::jsonb, $3::text, $4::text::jsonb)::text as id`;
  try {
    const [row] = await rowsOf(sql, text, [name, JSON.stringify(content), queue, JSON.stringify(said)]);
    return isRecord(row) && typeof row.id === 'string' ? row.id : id;
  } catch (thrown) {
    throw faultOf(thrown, schema);
  }
}

async function rowsOf(sql: SqlClient, text: string, values: string[]): Promise<readonly unknown[]> {
  return 'unsafe' in sql ? await sql.unsafe(text, values) : (await sql.query(text, values)).rows;
}

/** A name as SQL has it, whatever is in it. */
function quoted(name: string): string {
  if (typeof name === 'string' && name !== '' && !name.includes('\u0000')) return `"${name.replaceAll('"', '""')}"`;
  throw fault('invalid_request', { path: 'schema', message: 'must be the name of a schema' });
}

function refuseQueue(queue: string): void {
  const issues = new Issues();
  queueName(queue, 'queue', issues);
  const [first] = issues.list;
  if (first !== undefined) throw fault('invalid_request', first);
}

/** What JSON has and PostgreSQL's jsonb has not: U+0000, and halves of surrogate pairs, in texts and in names. */
function refuseUnholdable(body: object): void {
  const open: { value: unknown; path: string }[] = [{ value: body, path: '' }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, path } = next;
    if (typeof value === 'string' && !isHoldable(value)) {
      const message = 'has U+0000 or half a surrogate pair, which PostgreSQL cannot keep';
      throw fault(path.split('.')[0] === 'args' ? 'invalid_args' : 'invalid_job', { path, message });
    }
    if (typeof value !== 'object' || value === null) continue;
    for (const [key, entry] of Object.entries(value)) {
      const inner = at(path, key);
      open.push({ value: entry, path: inner });
      if (!isHoldable(key)) open.push({ value: key, path: inner });
    }
  }
}

const isHoldable = (text: string): boolean => text.isWellFormed() && !text.includes('\u0000');

function fault(code: WireErrorCode, issue: Issue): RotaError {
  return new RotaError(code, `${issue.path} ${issue.message}`, { issues: [issue] });
}

/** SQLSTATEs that are about this call. Of anything else, a conflict for example, the caller's own code knows better. */
function faultOf(thrown: unknown, schema: string): unknown {
  const state = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  const text = errorText(thrown);
  switch (state) {
    case '22023':
      return new RotaError('invalid_job', text, { cause: thrown });
    case '54000':
      return new RotaError('too_large', text, { cause: thrown });
    case '42501':
      return new RotaError('forbidden', `this role may not enqueue: ${text}`, { cause: thrown });
    case '3F000':
    case '42883': {
      const where = `schema "${schema}" has no function to enqueue with: a node with this store makes it at its start`;
      return new RotaError('invalid_config', `${where} (${text})`, { cause: thrown });
    }
    default:
      return thrown;
  }
}
