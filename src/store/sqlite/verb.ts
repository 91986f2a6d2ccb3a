import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import type { JobFact } from '../../job/job-event.ts';
import { type LifeEvent, statesAllowing } from '../../job/life.ts';
import type { JobState } from '../../job/state.ts';
import { assert } from '../../kernel/error.ts';
import type { Random } from '../../kernel/identity.ts';
import type { BegunClaims } from '../begun-claims.ts';
import type { StoreAnswer, StoreOptions, StoreVerb } from '../job-store.ts';
import type { CountLedger } from './count-ledger.ts';
import type { FirstRuns } from './first-runs.ts';
import type { FreshJobs } from './fresh-jobs.ts';
import type { JobPlaces } from './job-places.ts';
import type { Outbox } from './outbox.ts';
import type { QueueRules } from './queue-rules.ts';
import type { WorkerSigns } from './worker-signs.ts';

/** What a verb works with. */
export interface StoreWorld {
  /** Prepares a statement that answers rows by column name; the same text is prepared once. */
  rows(sql: string): StatementSync;
  /** Prepares a statement that answers rows as lists, for hot paths: half the cost of rows by name. */
  lists(sql: string): ListStatement;
  random: Random;
  counts: CountLedger;
  outbox: Outbox;
  places: JobPlaces;
  fresh: FreshJobs;
  /** The claims of the group that is under way; none where each of its requests stands or falls alone. */
  begun: BegunClaims | undefined;
  firstRuns: FirstRuns;
  workers: WorkerSigns;
  queues: QueueRules;
}

/** A statement whose rows are lists of cells, in the order of its columns. */
export interface ListStatement {
  all(...values: (string | number | null)[]): SQLOutputValue[][];
}

/** Takes a fact that a request made true, to be told after the commit. */
export type Tell = (fact: JobFact) => void;

/** A refusal of one request, returned by its verb before it wrote anything. */
export class Refusal {
  readonly code: 'conflict' | 'invalid_request';
  readonly message: string;

  constructor(code: Refusal['code'], message: string) {
    this.code = code;
    this.message = message;
  }
}

/** One verb of the port, run inside the group's transaction. */
export type Verb<V extends StoreVerb> = (options: StoreOptions<V>, tell: Tell) => StoreAnswer<V> | Refusal;

/** The condition that a job's state allows an event: `job/`'s table, as SQL that the partial indexes recognise. */
export function allows(event: LifeEvent): string {
  const states = statesAllowing(event);
  assert(states.length > 0, `${event} is allowed somewhere`);
  return isOneOf(states);
}

/** The condition that a job is in one of some states, in the words of the partial indexes. */
export function isOneOf(states: readonly JobState[]): string {
  return `(${states.map((state) => `state = '${state}'`).join(' or ')})`;
}

/**
 * The clause for a limit that comes with each call. SQLite plans by the value of a bare parameter, so it would prepare the
 * statement anew at every call: measured, 49 µs of a claim that finds nothing, instead of 3.
 * @param parameter its place, such as `?3`
 */
export function limitOf(parameter: string): string {
  return `limit ${parameter} + 0`;
}
