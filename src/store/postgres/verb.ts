import type { JobFact } from '../../job/job-event.ts';
import { type LifeEvent, statesAllowing } from '../../job/life.ts';
import type { JobState } from '../../job/state.ts';
import { assert } from '../../kernel/error.ts';
import type { StoreAnswer, StoreOptions, StoreVerb } from '../job-store.ts';
import type { Transaction } from './transaction.ts';

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

/** One request of a verb, and where its facts go. */
export interface Asked<V extends StoreVerb> {
  options: StoreOptions<V>;
  tell: Tell;
}

/** What a verb comes to. */
export type Came<V extends StoreVerb> = StoreAnswer<V> | Refusal;

/** One verb of the port, run inside the group's transaction on all of its requests that were put together, in order. */
export type Verb<V extends StoreVerb> = (tx: Transaction, asked: readonly Asked<V>[]) => Promise<Came<V>[]>;

/** A verb whose requests are run one after the other. */
export function oneByOne<V extends StoreVerb>(run: (tx: Transaction, asked: Asked<V>) => Promise<Came<V>>): Verb<V> {
  return async (tx, asked) => {
    const came: Came<V>[] = [];
    for (const one of asked) came.push(await run(tx, one));
    return came;
  };
}

/** The condition that a job's state allows an event: `job/`'s table, as SQL that the partial indexes recognise. */
export function allows(event: LifeEvent, column = 'state'): string {
  const states = statesAllowing(event);
  assert(states.length > 0, `${event} is allowed somewhere`);
  return isOneOf(states, column);
}

/** The condition that a job is in one of some states, in the words of the partial indexes. */
export function isOneOf(states: readonly JobState[], column = 'state'): string {
  return `(${states.map((state) => `${column} = '${state}'`).join(' or ')})`;
}
