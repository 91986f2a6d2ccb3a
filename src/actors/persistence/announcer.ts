import type { JobFact } from '../../job/job-event.ts';
import type { Clock, TimerHandle } from '../../kernel/clock.ts';
import { errorText } from '../../kernel/error.ts';
import type { Logger } from '../../kernel/log.ts';
import { Body } from '../../messaging/body.ts';
import type { Bus } from '../../messaging/bus.ts';
import { jobEvent } from '../../messaging/contract/event.ts';
import type { Subjects } from '../../messaging/subjects.ts';

/** What the announcer needs of the store. */
export interface Outbox {
  unannounced(after: number, limit: number): Promise<JobFact[]>;
  announced(from: number, to: number): Promise<void>;
}

/** What the announcer speaks with. */
export interface AnnouncerWorld {
  bus: Bus;
  subjects: Subjects;
  node: string;
  clock: Clock;
  outbox: Outbox;
  log: Logger;
}

/** Facts read from the outbox in one step while catching up. */
const CATCH_UP_LIMIT = 500;
/** How long to wait after a failure before the next try. */
const RETRY_MS = 1_000;

/**
 * Tells committed facts on the bus. Terminal ones are announced at least once: they stay in the store's outbox until a
 * flush after their publish has returned. While the bus is down they stay there, and are read back when it is up.
 *
 * `behind` is the whole state: not behind, every outbox entry is either in the flush that is under way or in `#fresh`;
 * behind, the outbox is read from its start.
 */
export class Announcer {
  readonly #world: AnnouncerWorld;
  #behind = true;
  /** Something was committed and not published since the outbox was last read. */
  #missed = false;
  #loop: Promise<void> | undefined;
  #stopped = false;
  /** Outbox places published since the last flush began. */
  #fresh: { from: number; to: number } | undefined;
  #retry: TimerHandle;
  readonly #unlisten: () => void;

  constructor(world: AnnouncerWorld) {
    this.#world = world;
    this.#unlisten = world.bus.onState((state) => {
      if (state === 'down') this.#behind = true;
      else this.#run();
    });
  }

  /** Begins with what an earlier life left untold. */
  start(): void {
    this.#run();
  }

  /** Publishes facts in order, right after their commit. */
  tell(facts: readonly JobFact[]): void {
    for (const fact of facts) {
      const seq = fact.outboxSeq;
      if (seq !== undefined && this.#behind) {
        this.#missed = true;
        continue;
      }
      this.#publish(fact);
      if (seq !== undefined) this.#fresh = { from: this.#fresh?.from ?? seq, to: seq };
    }
    if (this.#fresh !== undefined || this.#behind) this.#run();
  }

  /** Resolves when nothing is left to tell, or the bus is down or failing. */
  async drain(): Promise<void> {
    this.#run();
    await this.#loop;
  }

  stop(): void {
    this.#stopped = true;
    this.#unlisten();
    this.#world.clock.clearTimeout(this.#retry);
  }

  #publish(fact: JobFact): void {
    const { bus, subjects, node } = this.#world;
    const { subject, event } = jobEvent(fact, subjects, node);
    bus.publish(subject, { body: Body.of(event, 'json') });
  }

  #run(): void {
    if (this.#loop !== undefined || this.#stopped || this.#world.bus.state === 'down') return;
    this.#loop = this.#tellAll()
      .catch((error: unknown) => {
        this.#behind = true;
        this.#fresh = undefined;
        this.#world.log.debug({ error: errorText(error) }, 'announcing is behind; it goes on when the bus is up');
        this.#world.clock.clearTimeout(this.#retry);
        this.#retry = this.#world.clock.setTimeout(() => this.#run(), RETRY_MS);
      })
      .finally(() => {
        this.#loop = undefined;
      });
  }

  async #tellAll(): Promise<void> {
    while (!this.#stopped && this.#world.bus.state === 'up' && (this.#behind || this.#fresh !== undefined)) {
      await this.#step();
    }
  }

  async #step(): Promise<void> {
    if (this.#behind) await this.#catchUp();
    else if (this.#fresh !== undefined) await this.#confirm();
  }

  /** Makes sure that what was published is out, then forgets it. */
  async #confirm(): Promise<void> {
    const range = this.#fresh;
    if (range === undefined) return;
    this.#fresh = undefined;
    await this.#world.bus.flush();
    await this.#world.outbox.announced(range.from, range.to);
  }

  async #catchUp(): Promise<void> {
    this.#missed = false;
    const facts = await this.#world.outbox.unannounced(0, CATCH_UP_LIMIT);
    const first = facts[0]?.outboxSeq;
    const last = facts.at(-1)?.outboxSeq;
    if (first === undefined || last === undefined) {
      this.#behind = this.#missed;
      return;
    }
    for (const fact of facts) this.#publish(fact);
    await this.#world.bus.flush();
    await this.#world.outbox.announced(first, last);
  }
}
