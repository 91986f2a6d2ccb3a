import { clipText } from '../../job/error-entry.ts';
import { type Clock, sleep } from '../../kernel/clock.ts';
import { errorText, RotaError } from '../../kernel/error.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Bus } from '../../messaging/bus.ts';
import { type AsFirst, BRIEF_HEADERS, wholeOnes } from '../../messaging/contract/brief.ts';
import { briefOutcomes, CLAIM_LIMIT_MAX, outcomeView } from '../../messaging/contract/work.ts';
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
  /**
   * How long the first try waits for its answer, in milliseconds; twice as long each time, up to 10 s. Short where several
   * serve the store: one of them may be frozen, and the next try find another.
   */
  tryMs: number;
  /** How many jobs may run at once; 0: not known. */
  limit(): number;
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

type Settled = SettleResult & Partial<AsFirst<ClaimedWork>>;

/**
 * Settlements under way at once: the store writes one while the handlers of another's jobs run. A third one is for a store
 * that has a way of its own to go: on PostgreSQL 1.15 times the rate, on SQLite no less.
 */
const LANES = 3;
/**
 * Outcomes that one settlement carries: a third of what may run, so that the parts go by turns, within these bounds. Three
 * times as many to a transaction are 1.3 times the rate on SQLite and 1.2 times on PostgreSQL.
 */
const BATCH = { min: 334, max: CLAIM_LIMIT_MAX };
/** How long a settlement waits for its answer at most, in milliseconds. */
export const SETTLE_TIMEOUT_MS = 10_000;
/** Refusals of a whole settlement that a repeat cannot mend: something in it is too large or not as the contract says. */
const FAULTS: ReadonlySet<string> = new Set(['invalid_request', 'too_large']);
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 2_000;

/**
 * Reports outcomes to the store, many in one message, each again and again until it answers. A settlement may have
 * happened although its answer was lost; repeating it is answered as settled.
 */
export class Settler {
  readonly #world: SettlerWorld;
  readonly #stopped = new AbortController();
  #waiting: OutcomeReport[] = [];
  #gathering = false;
  readonly #lanes = new Set<Promise<void>>();

  constructor(world: SettlerWorld) {
    this.#world = world;
  }

  /** Adds an outcome; outcomes of one turn of the event loop go together. */
  add(report: OutcomeReport): void {
    this.#waiting.push(report);
    if (this.#gathering) return;
    this.#gathering = true;
    queueMicrotask(() => {
      this.#gathering = false;
      this.#setOff();
    });
  }

  /** Resolves when everything that was added is settled or refused, or after {@link kill}. */
  async idle(): Promise<void> {
    while (this.#gathering || this.#lanes.size > 0) await Promise.all(this.#lanes);
  }

  /** Gives up what is not settled; rescue will find it. */
  kill(): void {
    this.#stopped.abort();
    this.#waiting = [];
  }

  /** Sends as much of what waits as may be under way. */
  #setOff(): void {
    const batch = Math.min(Math.max(BATCH.min, Math.ceil(this.#world.limit() / LANES)), BATCH.max);
    // For half as many another settlement is worth a transaction of its own; fewer wait for the answer to the one before.
    while (this.#waiting.length >= (this.#lanes.size === 0 ? 1 : batch / 2) && this.#lanes.size < LANES) {
      const lane: Promise<void> = this.#tell(this.#waiting.splice(0, batch)).finally(() => {
        this.#lanes.delete(lane);
        this.#setOff();
      });
      this.#lanes.add(lane);
    }
  }

  /** Tells the store of these until it has answered. */
  async #tell(batch: readonly OutcomeReport[]): Promise<void> {
    let { tryMs } = this.#world;
    let retryMs = RETRY_MS_MIN;
    let claim = this.#world.claimWith(batch);
    while (!this.#stopped.signal.aborted) {
      try {
        const settled = await this.#settle(batch, claim, tryMs);
        this.#logRefused(settled);
        return this.#world.onSettled(batch, wholeOnes({ jobs: settled.jobs ?? [], asFirst: settled.asFirst }));
      } catch (error) {
        if (error instanceof RotaError && FAULTS.has(error.code)) return this.#narrow(batch, error);
        this.#world.log.debug(
          { error: errorText(error), jobs: batch.length },
          'a settlement got no answer; it is repeated',
        );
        // What a settlement without an answer has claimed may be ours already: a repeat claims nothing.
        claim = undefined;
        await sleep(this.#world.clock, retryMs, this.#stopped.signal);
        retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
        tryMs = Math.min(tryMs * 2, SETTLE_TIMEOUT_MS);
      }
    }
  }

  /** Finds the outcome that a whole settlement is refused for, and tells less of it: it must not hold up the others. */
  async #narrow(batch: readonly OutcomeReport[], error: RotaError): Promise<void> {
    const [report] = batch;
    if (report === undefined) return;
    if (batch.length > 1) {
      const middle = Math.ceil(batch.length / 2);
      await this.#tell(batch.slice(0, middle));
      await this.#tell(batch.slice(middle));
      return;
    }
    const less = lessOf(report);
    this.#world.log.error({ job: report.id, error: error.message, givenUp: !less }, 'an outcome was refused as it is');
    if (less) await this.#tell([less]);
    // Not settled and not listed by beats any more: the store takes the job back.
    else this.#world.onSettled(batch, []);
  }

  async #settle(batch: readonly OutcomeReport[], claim: ClaimWith | undefined, timeoutMs: number): Promise<Settled> {
    const { bus, subjects, queue, worker } = this.#world;
    const send = (outcomes: object): Promise<unknown> => {
      const value = { worker, ...outcomes, ...(claim === undefined ? {} : { claim }) };
      return ask(bus, subjects.work(queue, 'settle'), { value, codec: 'json', headers: BRIEF_HEADERS, timeoutMs });
    };
    const brief = briefOutcomes(batch);
    // The persistence actor is ours and answers in the contract's shape.
    try {
      return (await send(brief)) as Settled;
    } catch (error) {
      // One of an earlier version knows only outcomes that are said in full.
      const knew = brief.completed === undefined || !(error instanceof RotaError) || error.code !== 'invalid_request';
      if (knew) throw error;
      return (await send({ outcomes: batch.map(outcomeView) })) as Settled;
    }
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
