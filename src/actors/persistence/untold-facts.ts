import type { JobFact } from '../../job/job-event.ts';
import { type Clock, nextTurn, type TimerHandle } from '../../kernel/clock.ts';

/** Who is told, and when. */
export interface UntoldFactsWorld {
  clock: Clock;
  /** For how long a few facts wait, in milliseconds; left out: for the end of the turn, as more of them do. */
  restMs?: number | undefined;
  /** Is given what was added meanwhile, in order. */
  tell(facts: readonly JobFact[]): void;
}

/** More facts than this wait for the end of the turn only: a burst tells its own while its next messages are on their way. */
const FEW = 20;
/**
 * From so many on, those that come after them wait no longer. While one message waits behind the other a turn does not end:
 * measured, 20,000 jobs were told at their end, and 60,000 facts kept until then.
 */
const FACTS_MAX = 1_000;

/**
 * Facts of groups that are committed and have still to be told, in order. They wait until those who wait for answers and
 * jobs have them: told before, a job's events make its start 0.1 ms later, an eighth of what is not the disk's. Beyond
 * {@link FACTS_MAX} they wait for the next group only, whose commit comes after the answers.
 */
export class UntoldFacts {
  readonly #world: UntoldFactsWorld;
  #facts: (readonly JobFact[])[] = [];
  #count = 0;
  #timer: TimerHandle;
  #turnEnds = false;

  constructor(world: UntoldFactsWorld) {
    this.#world = world;
  }

  add(facts: readonly JobFact[]): void {
    if (facts.length === 0) return;
    if (this.#count >= FACTS_MAX) this.tellNow();
    this.#facts.push(facts);
    this.#count += facts.length;
    const { clock, restMs } = this.#world;
    if (this.#turnEnds) return;
    if (restMs !== undefined && this.#count <= FEW) this.#timer ??= clock.setTimeout(() => this.tellNow(), restMs);
    else {
      this.#turnEnds = true;
      nextTurn(() => {
        this.#turnEnds = false;
        this.tellNow();
      });
    }
  }

  /** Waits no longer. */
  tellNow(): void {
    const [first, ...others] = this.#facts;
    this.drop();
    if (first !== undefined) this.#world.tell(others.length === 0 ? first : first.concat(...others));
  }

  /** Forgets what waits. */
  drop(): void {
    this.#world.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#facts = [];
    this.#count = 0;
  }
}
