import type { JobFact } from '../../job/job-event.ts';
import { nextTurn } from '../../kernel/clock.ts';

/**
 * Facts of groups that are committed and have still to be told, in order. It waits for the end of the turn, for those who
 * wait for answers and jobs come first: told before, a job's events make its start 0.1 ms later, an eighth of what is not
 * the disk's.
 */
export class UntoldFacts {
  readonly #tell: (facts: readonly JobFact[]) => void;
  #facts: (readonly JobFact[])[] = [];

  /** @param tell is given what was added in one turn, when that is over */
  constructor(tell: (facts: readonly JobFact[]) => void) {
    this.#tell = tell;
  }

  add(facts: readonly JobFact[]): void {
    if (this.#facts.length === 0) nextTurn(() => this.tellNow());
    this.#facts.push(facts);
  }

  /** Waits no longer. */
  tellNow(): void {
    const facts = this.#facts.flat();
    this.#facts = [];
    if (facts.length > 0) this.#tell(facts);
  }
}
