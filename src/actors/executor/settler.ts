import { clipText } from '../../job/error-entry.ts';
import { type Clock, sleep } from '../../kernel/clock.ts';
import { errorText, RotaError } from '../../kernel/error.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Bus } from '../../messaging/bus.ts';
import { outcomeView } from '../../messaging/contract/work.ts';
import { ask } from '../../messaging/reply.ts';
import type { Subjects } from '../../messaging/subjects.ts';
import type { OutcomeReport, SettleResult } from '../../store/job-store.ts';
import type { ClaimedWork } from './messages.ts';

/** What a settler speaks with, and who is told. */
export interface SettlerWorld {
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  queue: string;
  worker: string;
  log: Logger;
  /** What to claim with a settlement of these; undefined: nothing. */
  claimWith(reports: readonly OutcomeReport[]): ClaimWith | undefined;
  /** Called when settlements are confirmed or refused: their slots are free, and these jobs were claimed for them. */
  onSettled(reports: readonly OutcomeReport[], jobs: readonly ClaimedWork[]): void;
}

/** A claim that goes with a settlement, into the slots that it frees. */
export interface ClaimWith {
  node: string;
  limit: number;
  types: readonly string[];
}

type Settled = SettleResult & { jobs?: ClaimedWork[] };

/** Outcomes that one settlement carries: as many as a claim brings. */
const BATCH_MAX = 1_000;
const SETTLE_TIMEOUT_MS = 10_000;
/** Refusals of a whole settlement that a repeat cannot mend: something in it is too large or not as the contract says. */
const FAULTS: ReadonlySet<string> = new Set(['invalid_request', 'too_large']);
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
  #batchMax = BATCH_MAX;
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
    let repeated = false;
    while (this.#waiting.length > 0 && !this.#stopped.signal.aborted) {
      const batch = this.#waiting.slice(0, this.#batchMax);
      // What a settlement without an answer has claimed may be ours already: a repeat claims nothing.
      const claim = repeated ? undefined : this.#world.claimWith(batch);
      try {
        const settled = await this.#settle(batch, claim);
        this.#logRefused(settled);
        this.#dealtWith(batch, settled.jobs);
        retryMs = RETRY_MS_MIN;
        repeated = false;
      } catch (error) {
        repeated = true;
        if (error instanceof RotaError && FAULTS.has(error.code)) {
          this.#narrow(batch, error);
          continue;
        }
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

  #dealtWith(batch: readonly OutcomeReport[], jobs: readonly ClaimedWork[] = []): void {
    this.#waiting.splice(0, batch.length);
    this.#batchMax = BATCH_MAX;
    this.#world.onSettled(batch, jobs);
  }

  /** Finds the outcome that a whole settlement is refused for, and tells less of it: it must not hold up the others. */
  #narrow(batch: readonly OutcomeReport[], error: RotaError): void {
    const [report] = batch;
    if (batch.length > 1) {
      this.#batchMax = Math.ceil(batch.length / 2);
    } else if (report !== undefined) {
      const less = lessOf(report);
      this.#world.log.error(
        { job: report.id, error: error.message, givenUp: !less },
        'an outcome was refused as it is',
      );
      if (less) this.#waiting[0] = less;
      // Not settled and not listed by beats any more: the store takes the job back.
      else this.#dealtWith(batch);
    }
  }

  async #settle(batch: readonly OutcomeReport[], claim: ClaimWith | undefined): Promise<Settled> {
    const { bus, subjects, queue, worker } = this.#world;
    const value = { worker, outcomes: batch.map(outcomeView), ...(claim === undefined ? {} : { claim }) };
    const subject = subjects.work(queue, 'settle');
    // The persistence actor is ours and answers in the contract's shape.
    return (await ask(bus, subject, { value, codec: 'json', timeoutMs: SETTLE_TIMEOUT_MS })) as Settled;
  }

  #logRefused({ refused }: SettleResult): void {
    for (const { id, reason } of refused) {
      this.#world.log.warn({ job: id, reason }, 'a settlement was refused: the job is no longer this worker’s');
    }
  }
}

/** The same outcome without what may be too large in it; undefined when there is nothing left to leave out. */
function lessOf(report: OutcomeReport): OutcomeReport | undefined {
  switch (report.outcome) {
    case 'complete':
      return report.result === null ? undefined : { ...report, result: null, resultFault: 'the result was refused' };
    case 'fail': {
      const { kind, message, stack } = report.error;
      const clipped = clipText(message);
      if (stack === undefined && clipped === message) return undefined;
      return { ...report, error: { kind, message: clipped } };
    }
    case 'cancel':
    case 'discard': {
      const reason = clipText(report.reason);
      return reason === report.reason ? undefined : { ...report, reason };
    }
    case 'snooze':
    case 'release':
      return undefined;
  }
}
