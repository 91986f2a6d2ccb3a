import type { JobFact } from '../../src/job/job-event.ts';
import type { StoreRequest } from '../../src/store/job-store.ts';
import type { QueueRecord } from '../../src/store/queue-record.ts';
import type { Complain, JobHistory } from './job-history.ts';
import type { Sightings } from './sightings.ts';

/** What limits are checked with. */
export interface LimitWorld {
  history: JobHistory;
  sightings: Sightings;
  complain: Complain;
  /** Wall clocks differ: what is counted by them is not checked. */
  clocksDiffer: boolean;
  /** How far apart two groups may be written that were stamped together, in milliseconds. */
  doubtMs: number;
}

/** A limit that as much happens as may: without that it was not tried. */
type LimitSighting = 'global limit reached' | 'rate reached' | 'partition full';

interface Count {
  count: number;
  limit: number;
  seen: LimitSighting;
  words: string;
}

/** Starts of a queue that are remembered. */
const STARTS_KEPT = 200;

/** What operators said of queues, and whether every claim keeps to it. */
export class LimitChecks {
  readonly #world: LimitWorld;
  readonly #rules = new Map<string, QueueRecord>();
  readonly #starts = new Map<string, number[]>();

  constructor(world: LimitWorld) {
    this.#world = world;
  }

  /** This is what holds for its queue from now on. */
  ruled(rule: QueueRecord): void {
    const rate = JSON.stringify(this.#rules.get(rule.queue)?.rate ?? null);
    if (rate !== JSON.stringify(rule.rate)) this.#starts.delete(rule.queue);
    this.#rules.set(rule.queue, rule);
  }

  /** A claim made these facts true; the history knows of them already. */
  claimed({ queue, now }: Extract<StoreRequest, { verb: 'claim' }>, facts: readonly JobFact[]): void {
    const { history, complain, clocksDiffer } = this.#world;
    const rule = this.#rules.get(queue);
    const [first] = facts;
    if (rule === undefined || first === undefined) return;
    const { globalLimit, partition, rate } = rule;
    if (rule.paused) complain('limits', first.id, `${queue}: a job started while it was paused`);
    const counts: Count[] = [];
    if (globalLimit !== null) {
      const count = history.executing(queue);
      counts.push({ count, limit: globalLimit, seen: 'global limit reached', words: 'execute' });
    }
    if (partition !== null) {
      const keys = new Set(facts.map(({ id }) => `${queue}/${history.jobs.get(id)?.tenant}`));
      for (const key of keys) {
        const count = history.executing(key);
        counts.push({ count, limit: partition.limit, seen: 'partition full', words: `of ${key} execute` });
      }
    }
    if (rate !== null && !clocksDiffer) counts.push(this.#startsOf(queue, { rate, now, more: facts.length }));
    for (const one of counts) this.#check(queue, first.id, one);
  }

  #startsOf(queue: string, claim: { rate: NonNullable<QueueRecord['rate']>; now: number; more: number }): Count {
    const { rate, now, more } = claim;
    const before = this.#starts.get(queue) ?? [];
    // A claim that was held up is stamped before others that were written first, and counts as of theirs.
    const startedAt = Math.max(now, before.at(-1) ?? now);
    const starts = [...before, ...Array.from({ length: more }, () => startedAt)];
    this.#starts.set(queue, starts.slice(-STARTS_KEPT));
    const count = starts.filter((at) => at > startedAt - rate.periodMs + this.#world.doubtMs).length;
    return { count, limit: rate.limit, seen: 'rate reached', words: `started within ${rate.periodMs} ms` };
  }

  #check(queue: string, about: string, { count, limit, seen, words }: Count): void {
    if (count === limit) this.#world.sightings.saw(seen);
    if (count > limit) this.#world.complain('limits', about, `${queue}: ${count} ${words}, ${limit} may`);
  }
}
