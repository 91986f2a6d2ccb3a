import type { JobFact } from '../../job/job-event.ts';
import { nextTurn } from '../../kernel/clock.ts';

/**
 * From so many on, those that come after them wait no longer. While one message waits behind the other a turn does not end:
 * measured, 20,000 jobs were told at their end, and 60,000 facts kept until then.
 */
const FACTS_MAX = 1_000;

/**
 * Facts of groups that are committed and have still to be told, in order. It waits for the end of the turn, for those who
 * wait for answers and jobs come first: told before, a job's events make its start 0.1 ms later, an eighth of what is not
 * the disk's. Beyond {@link FACTS_MAX} it waits for the next group only, whose commit comes after the answers.
 */
export class UntoldFacts {
  readonly #tell: (facts: readonly JobFact[]) => void;
  #facts: (readonly JobFact[])[] = [];
  #count = 0;
  #waits = false;

  /** @param tell is given what was added in one turn, when that is over, or earlier */
  constructor(tell: (facts: readonly JobFact[]) => void) {
    this.#tell = tell;
  }

  add(facts: readonly JobFact[]): void {
    if (facts.length === 0) return;
    if (this.#count >= FACTS_MAX) this.tellNow();
    this.#facts.push(facts);
    this.#count += facts.length;
    if (this.#waits) return;
    this.#waits = true;
    nextTurn(() => {
      this.#waits = false;
      this.tellNow();
    });
  }

  /** Waits no longer. */
  tellNow(): void {
    const [first, ...others] = this.#facts;
    this.#facts = [];
    this.#count = 0;
    if (first !== undefined) this.#tell(others.length === 0 ? first : first.concat(...others));
  }
}
