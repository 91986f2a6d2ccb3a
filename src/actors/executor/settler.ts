import { type Clock, sleep } from '../../kernel/clock.ts';
import { errorText } from '../../kernel/error.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Bus } from '../../messaging/bus.ts';
import { outcomeView } from '../../messaging/contract/work.ts';
import { ask } from '../../messaging/reply.ts';
import type { Subjects } from '../../messaging/subjects.ts';
import type { OutcomeReport, SettleResult } from '../../store/job-store.ts';

/** What a settler speaks with, and who is told. */
export interface SettlerWorld {
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  queue: string;
  worker: string;
  log: Logger;
  /** Called when settlements are confirmed or refused: their slots are free. */
  onSettled(reports: readonly OutcomeReport[]): void;
}

/** Outcomes that one settlement carries. */
const BATCH_MAX = 500;
const SETTLE_TIMEOUT_MS = 10_000;
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 2_000;

/**
 * Reports outcomes to the store, all that wait in one message, again and again until it answers. A settlement may have
 * happened although its answer was lost; repeating it is answered as settled.
 */
export class Settler {
  readonly #world: SettlerWorld;
  readonly #stopped = new AbortController();
  #waiting: OutcomeReport[] = [];
  #loop: Promise<void> | undefined;

  constructor(world: SettlerWorld) {
    this.#world = world;
  }

  /** Adds an outcome; outcomes of one turn of the event loop go together. */
  add(report: OutcomeReport): void {
    this.#waiting.push(report);
    this.#loop ??= this.#run();
  }

  /** Resolves when everything that was added is settled or refused, or after {@link kill}. */
  async idle(): Promise<void> {
    await this.#loop;
  }

  /** Gives up what is not settled; rescue will find it. */
  kill(): void {
    this.#stopped.abort();
  }

  async #run(): Promise<void> {
    await undefined;
    let retryMs = RETRY_MS_MIN;
    while (this.#waiting.length > 0 && !this.#stopped.signal.aborted) {
      const batch = this.#waiting.slice(0, BATCH_MAX);
      try {
        this.#logRefused(await this.#settle(batch));
        this.#waiting.splice(0, batch.length);
        this.#world.onSettled(batch);
        retryMs = RETRY_MS_MIN;
      } catch (error) {
        this.#world.log.debug(
          { error: errorText(error), jobs: batch.length },
          'a settlement got no answer; it is repeated',
        );
        await sleep(this.#world.clock, retryMs, this.#stopped.signal);
        retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
      }
    }
    this.#loop = undefined;
  }

  async #settle(batch: readonly OutcomeReport[]): Promise<SettleResult> {
    const { bus, subjects, queue, worker } = this.#world;
    const value = { worker, outcomes: batch.map(outcomeView) };
    const subject = subjects.work(queue, 'settle');
    // The persistence actor is ours and answers in the contract's shape.
    return (await ask(bus, subject, { value, timeoutMs: SETTLE_TIMEOUT_MS })) as SettleResult;
  }

  #logRefused({ refused }: SettleResult): void {
    for (const { id, reason } of refused) {
      this.#world.log.warn({ job: id, reason }, 'a settlement was refused: the job is no longer this worker’s');
    }
  }
}
