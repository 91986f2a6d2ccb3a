import type { AnyJobDefinition } from '../../job/definition.ts';
import type { IdSource } from '../../kernel/identity.ts';
import { rebootTick } from '../../scheduler/due-ticks.ts';
import type { TickResult } from '../../store/schedule-record.ts';
import type { StoreClient } from '../store-client.ts';
import type { ScheduleBook } from './schedule-book.ts';
import { factsOf, planOf, recordAfter, type ScheduleFact, type TickPlan } from './tick-plan.ts';

/** What firing `@reboot` takes. */
export interface RebootWorld {
  store: StoreClient;
  book: ScheduleBook;
  newId: IdSource;
  definitions: ReadonlyMap<string, AnyJobDefinition>;
  /** The start of a program: once each. */
  instance: string;
  startedAt: number;
  bytesMax: number;
  onFacts(facts: readonly ScheduleFact[]): void;
}

/**
 * Fires the schedules with `@reboot` for the start of this program, whoever leads; the store knows whether it has been
 * done, so that a restart of the actor does not fire them again.
 */
export class RebootTicks {
  readonly #world: RebootWorld;
  /** What was sent, until it is known to be recorded. */
  #plans: readonly TickPlan[] | undefined;

  constructor(world: RebootWorld) {
    this.#world = world;
  }

  /**
   * Records the ticks of the start. The book must have the config in it.
   * @returns false when a schedule was found to have changed: read the book anew and come again
   * @throws RotaError what the store answers
   */
  async fire(now: number): Promise<boolean> {
    const { store, book, instance, onFacts } = this.#world;
    const before = this.#plans;
    const plans = before ?? this.#decide(now);
    this.#plans = plans;
    const { done, results } = await store.ask('reboot', { now, instance, ticks: plans.map(({ tick }) => tick) });
    this.#plans = undefined;
    // A repeat of what was recorded without an answer is answered with nothing; the first try was ours then.
    const became = done && results.length === 0 && before !== undefined ? plans.map(allFired) : results;
    for (const [index, plan] of plans.entries()) {
      const result = became[index];
      if (result === undefined || result.stale) continue;
      book.moved(recordAfter(plan, result));
      onFacts(factsOf(plan, result));
    }
    const stale = plans.filter((_plan, index) => became[index]?.stale === true);
    await book.reread(stale.map(({ record }) => record.name));
    return done;
  }

  #decide(now: number): TickPlan[] {
    const { book, startedAt, newId, definitions, bytesMax } = this.#world;
    return [...book.records].flatMap((record) => {
      const decision = rebootTick(record, startedAt);
      if (decision === undefined) return [];
      const due = { decisions: [decision], missed: { count: 0, more: false }, cursorAt: startedAt, nextAt: undefined };
      return [planOf(record, due, { now, newId, definitions, bytesMax })];
    });
  }
}

const allFired = ({ tick }: TickPlan): TickResult => ({
  stale: false,
  jobs: tick.jobs.map(() => 'fired' as const),
  cancelled: [],
});
