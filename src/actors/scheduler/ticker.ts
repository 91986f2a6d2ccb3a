import type { AnyJobDefinition } from '../../job/definition.ts';
import { type Clock, nextTurn } from '../../kernel/clock.ts';
import { errorText, RotaError } from '../../kernel/error.ts';
import type { IdSource } from '../../kernel/identity.ts';
import type { Logger } from '../../kernel/log.ts';
import { dueTicks } from '../../scheduler/due-ticks.ts';
import type { ScheduleRecord, TickResult } from '../../store/schedule-record.ts';
import type { StoreClient } from '../store-client.ts';
import { batchesOf } from './batches.ts';
import type { ScheduleBook } from './schedule-book.ts';
import { factsOf, planOf, recordAfter, type ScheduleFact, type TickPlan } from './tick-plan.ts';

/** What the ticker asks, and who is told. */
export interface TickerWorld {
  store: StoreClient;
  book: ScheduleBook;
  clock: Clock;
  newId: IdSource;
  definitions: ReadonlyMap<string, AnyJobDefinition>;
  /** How large a request may be. */
  bytesMax: number;
  onFacts(facts: readonly ScheduleFact[]): void;
  log: Logger;
}

/** Schedules that are looked at in one turn of the event loop, and whose ticks go into one transaction. */
const STEP_MAX = 200;

/**
 * Turns due ticks into jobs, for as long as its leader's term holds. It knows when each schedule is next due, so that
 * idle ones cost nothing.
 */
export class Ticker {
  readonly #world: TickerWorld;
  /** When each schedule is to be looked at; one that is not here never again, until it changes. */
  readonly #lookAt = new Map<string, number>();
  #nextAt = Number.POSITIVE_INFINITY;
  /** What was sent without an answer: recorded or not. */
  #unsure: readonly TickPlan[] = [];

  constructor(world: TickerWorld) {
    this.#world = world;
  }

  /** When the next tick is due, in wall time; Infinity: never. */
  get nextAt(): number {
    return this.#nextAt;
  }

  /** Looks at a schedule at the next tick: it is new or has changed. */
  look(name: string): void {
    this.#lookAt.set(name, Number.NEGATIVE_INFINITY);
    this.#nextAt = Number.NEGATIVE_INFINITY;
  }

  /** Looks at a schedule no more. */
  forget(name: string): void {
    this.#lookAt.delete(name);
  }

  /**
   * Records every tick that is due.
   * @returns false when a schedule was found to have changed: read the book anew and come again
   * @throws RotaError `conflict` when the term is over, or what the store answers
   */
  async tick(term: number): Promise<boolean> {
    await this.#makeSure();
    const now = this.#world.clock.now();
    if (now < this.#nextAt) return true;
    const due: string[] = [];
    for (const [name, lookAt] of this.#lookAt) if (lookAt <= now) due.push(name);
    let fresh = true;
    for (let from = 0; from < due.length; from += STEP_MAX) {
      const plans = await this.#plans(due.slice(from, from + STEP_MAX));
      for (const batch of batchesOf(plans, { bytesMax: this.#world.bytesMax, bytesOf: ({ bytes }) => bytes })) {
        fresh = (await this.#record(batch, term)) && fresh;
      }
      if (from + STEP_MAX < due.length) await new Promise<void>(nextTurn);
    }
    this.#nextAt = Number.POSITIVE_INFINITY;
    for (const lookAt of this.#lookAt.values()) this.#nextAt = Math.min(this.#nextAt, lookAt);
    return fresh;
  }

  /** Decides about some schedules; those with nothing due are only aimed at their next tick. */
  async #plans(names: readonly string[]): Promise<TickPlan[]> {
    const { book, clock, newId, definitions, bytesMax } = this.#world;
    for (const name of names) if (book.get(name) === undefined) this.forget(name);
    const records = await this.#withLastStates(names.flatMap((name) => book.get(name) ?? []));
    const now = clock.now();
    return records.flatMap((record) => {
      try {
        const due = dueTicks(record, now);
        if (due.decisions.length > 0) return [planOf(record, due, { now, newId, definitions, bytesMax })];
        this.#aim(record.name, due.nextAt);
      } catch (error) {
        // What this Node cannot read (a zone that is gone) must not keep the others from firing.
        this.#setAside(record.name, error);
      }
      return [];
    });
  }

  /** Only `skip` asks for the last job's state, so only such schedules read it. */
  async #withLastStates(records: readonly ScheduleRecord[]): Promise<readonly ScheduleRecord[]> {
    const asks = ({ declaration, lastJobId }: ScheduleRecord): boolean =>
      declaration.overlap === 'skip' && lastJobId !== null;
    const ids = records.filter(asks).flatMap(({ lastJobId }) => lastJobId ?? []);
    if (ids.length === 0) return records;
    const states = await this.#world.store.ask('states', { ids });
    const byId = new Map(states.map(({ id, state }) => [id, state]));
    return records.map((record) =>
      asks(record) ? { ...record, lastState: byId.get(record.lastJobId ?? '') ?? null } : record,
    );
  }

  /** Records a batch and tells of it; false when a schedule in it was stale. */
  async #record(plans: readonly TickPlan[], term: number): Promise<boolean> {
    const { store, clock } = this.#world;
    this.#unsure = plans;
    try {
      const results = await store.ask('tick', { now: clock.now(), term, ticks: plans.map(({ tick }) => tick) });
      this.#unsure = [];
      const stale = plans.filter((plan, index) => !this.#done(plan, results[index]));
      await this.#world.book.reread(stale.map(({ record }) => record.name));
      return stale.length === 0;
    } catch (error) {
      const refused = error instanceof RotaError && (error.code === 'conflict' || error.code === 'invalid_request');
      if (refused) this.#unsure = [];
      if (!refused || error.code === 'conflict') throw error;
      return this.#recordAlone(plans, { term, error });
    }
  }

  /** The store cannot do something of a batch: one bad schedule must not keep the others from firing. */
  async #recordAlone(plans: readonly TickPlan[], { term, error }: { term: number; error: unknown }): Promise<boolean> {
    const [first, ...others] = plans;
    if (first === undefined) return true;
    if (others.length === 0) {
      this.#setAside(first.record.name, error);
      return true;
    }
    let fresh = true;
    for (const plan of plans) fresh = (await this.#record([plan], term)) && fresh;
    return fresh;
  }

  #done(plan: TickPlan, result: TickResult | undefined): boolean {
    if (result === undefined || result.stale) return false;
    this.#world.book.moved(recordAfter(plan, result));
    this.#aim(plan.record.name, plan.nextAt);
    this.#world.onFacts(factsOf(plan, result));
    return true;
  }

  /** What was sent without an answer: read what is stored, and tell what turns out to have happened. */
  async #makeSure(): Promise<void> {
    if (this.#unsure.length === 0) return;
    const { book, onFacts } = this.#world;
    await book.reread(this.#unsure.map(({ record }) => record.name));
    for (const plan of this.#unsure) {
      const { record, tick } = plan;
      this.look(record.name);
      const stored = book.get(record.name);
      if (stored === undefined || stored.revision !== tick.revision || stored.cursorAt < tick.cursorAt) continue;
      const last = tick.jobs.at(-1);
      // Another leader may have recorded the same ticks meanwhile, and told of them.
      if (last !== undefined && last.id !== stored.lastJobId) continue;
      onFacts(factsOf(plan, { stale: false, cancelled: [], jobs: tick.jobs.map(() => 'fired') }));
    }
    this.#unsure = [];
  }

  #aim(name: string, nextAt: number | undefined): void {
    if (nextAt === undefined) this.#lookAt.delete(name);
    else this.#lookAt.set(name, nextAt);
  }

  #setAside(name: string, error: unknown): void {
    this.#lookAt.delete(name);
    this.#world.log.error({ schedule: name, error: errorText(error) }, 'a schedule cannot fire until it is changed');
  }
}
