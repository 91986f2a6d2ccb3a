import type { AnyJobDefinition } from '../../job/definition.ts';
import type { NewJob } from '../../job/job.ts';
import { newJob } from '../../job/job-request.ts';
import type { Clock } from '../../kernel/clock.ts';
import { unreachable } from '../../kernel/error.ts';
import type { IdSource } from '../../kernel/identity.ts';
import { dueTicks, rebootTick, type TickDecision } from '../../scheduler/due-ticks.ts';
import type { ScheduleRecord, TickRecord } from '../../store/schedule-record.ts';
import type { StoreClient } from '../store-client.ts';

/** What became of ticks, to be told once they are recorded. */
export interface TickFact {
  schedule: string;
  what: 'fired' | 'skipped' | 'missed';
  data: Record<string, unknown>;
}

/** What the ticker asks, and who is told. */
export interface TickerWorld {
  store: StoreClient;
  clock: Clock;
  newId: IdSource;
  definitions: ReadonlyMap<string, AnyJobDefinition>;
  onFacts(facts: readonly TickFact[]): void;
}

/** Schedules whose ticks go into one transaction. */
const SCHEDULES_PER_STEP_MAX = 200;

interface Due {
  record: ScheduleRecord;
  decisions: TickDecision[];
  cursorAt: number;
}

/**
 * Turns due ticks into jobs, for as long as its leader's term holds. It keeps the schedules in memory and knows when the
 * next one is due, so that idle ones cost nothing.
 */
export class Ticker {
  readonly #world: TickerWorld;
  readonly #records = new Map<string, ScheduleRecord>();
  /** When each schedule is to be looked at; one that is not here never again. */
  readonly #lookAt = new Map<string, number>();
  #nextAt = Number.POSITIVE_INFINITY;

  constructor(world: TickerWorld) {
    this.#world = world;
  }

  /** When the next tick is due, in wall time; Infinity: never. */
  get nextAt(): number {
    return this.#nextAt;
  }

  /** Takes the schedules as they are stored. */
  load(records: readonly ScheduleRecord[]): void {
    this.#records.clear();
    this.#lookAt.clear();
    const now = this.#world.clock.now();
    for (const record of records) {
      this.#records.set(record.name, record);
      this.#lookAt.set(record.name, now);
    }
    this.#aim();
  }

  /**
   * Records the ticks that schedules with `@reboot` have at the start of this program. A repeat inserts nothing, for
   * the nominal time is the start itself.
   */
  async reboot(startedAt: number, term: number): Promise<void> {
    const due = [...this.#records.values()].flatMap((record) => {
      const decision = rebootTick(record, startedAt);
      return decision === undefined ? [] : [{ record, decisions: [decision], cursorAt: startedAt }];
    });
    await this.#commit(due, term);
  }

  /** Records every tick that is due. @throws RotaError `conflict` when the term is over, or what the store answers */
  async tick(term: number): Promise<void> {
    const now = this.#world.clock.now();
    if (now < this.#nextAt) return;
    let step: Due[] = [];
    for (const [name, lookAt] of this.#lookAt) {
      const record = this.#records.get(name);
      if (record === undefined || lookAt > now) continue;
      const current = await this.#withLastState(record);
      const { decisions, cursorAt, nextAt } = dueTicks(current, now);
      if (nextAt === undefined) this.#lookAt.delete(name);
      else this.#lookAt.set(name, nextAt);
      if (decisions.length > 0) step.push({ record: current, decisions, cursorAt });
      if (step.length >= SCHEDULES_PER_STEP_MAX) {
        await this.#commit(step, term);
        step = [];
      }
    }
    await this.#commit(step, term);
    this.#aim();
  }

  #aim(): void {
    this.#nextAt = Number.POSITIVE_INFINITY;
    for (const lookAt of this.#lookAt.values()) this.#nextAt = Math.min(this.#nextAt, lookAt);
  }

  /** Only overlap asks for the last job's state, so only such schedules read it. */
  async #withLastState(record: ScheduleRecord): Promise<ScheduleRecord> {
    if (record.declaration.overlap === 'allow' || record.lastJobId === null) return record;
    const [job] = await this.#world.store.ask('get', { ids: [record.lastJobId] });
    return { ...record, lastState: job?.state ?? null };
  }

  async #commit(due: readonly Due[], term: number): Promise<void> {
    if (due.length === 0) return;
    try {
      await this.#record(due, term);
    } catch (error) {
      // Perhaps recorded, perhaps not: looked at again at once, and what was recorded is not inserted twice.
      for (const { record } of due) this.#lookAt.set(record.name, this.#world.clock.now());
      this.#aim();
      throw error;
    }
  }

  async #record(due: readonly Due[], term: number): Promise<void> {
    const { store, clock, onFacts } = this.#world;
    const facts: TickFact[] = [];
    const ticks: TickRecord[] = [];
    for (const entry of due) {
      await this.#cancelRunning(entry);
      for (const decision of entry.decisions) {
        const job = decision.verdict === 'fire' ? this.#jobOf(entry.record, decision) : null;
        // The newest decision of a schedule carries the cursor past everything that was decided with it.
        const cursorAt = decision === entry.decisions.at(-1) ? entry.cursorAt : decision.nominalAt;
        ticks.push({ schedule: entry.record.name, cursorAt, nominalAt: decision.nominalAt, job });
        facts.push(factOf(entry.record.name, decision, job));
      }
    }
    const { inserted } = await store.ask('tick', { now: clock.now(), term, ticks });
    const made = new Set(inserted.map(({ id }) => id));
    for (const entry of due) this.#moved(entry, ticks, made);
    onFacts(facts.filter(({ what, data }) => what !== 'fired' || made.has(String(data.jobId))));
  }

  async #cancelRunning({ record, decisions }: Due): Promise<void> {
    const cancels = decisions.some((decision) => decision.verdict === 'fire' && decision.cancelRunning);
    if (!cancels || record.lastJobId === null) return;
    await this.#world.store.ask('cancel', { now: this.#world.clock.now(), id: record.lastJobId, terminate: false });
  }

  #jobOf({ name, declaration }: ScheduleRecord, decision: TickDecision & { verdict: 'fire' }): NewJob {
    const { clock, newId, definitions } = this.#world;
    const { queue, ...request } = declaration.job;
    const schedule = { name, at: decision.nominalAt, late: decision.late };
    return newJob(request, { now: clock.now(), newId, queue, definition: definitions.get(request.type), schedule });
  }

  #moved({ record, cursorAt }: Due, ticks: readonly TickRecord[], made: ReadonlySet<string>): void {
    const fired = ticks.filter(({ schedule, job }) => schedule === record.name && job !== null && made.has(job.id));
    const last = fired.at(-1);
    this.#records.set(record.name, {
      ...record,
      cursorAt: Math.max(record.cursorAt, cursorAt),
      runs: record.runs + fired.length,
      ...(last?.job ? { lastAt: last.nominalAt, lastJobId: last.job.id, lastState: last.job.state } : {}),
    });
  }
}

function factOf(schedule: string, decision: TickDecision, job: NewJob | null): TickFact {
  const nominalAt = new Date(decision.nominalAt).toISOString();
  switch (decision.verdict) {
    case 'fire':
      return { schedule, what: 'fired', data: { schedule, nominalAt, late: decision.late, jobId: job?.id ?? null } };
    case 'skipped':
    case 'missed':
      return { schedule, what: decision.verdict, data: { schedule, nominalAt, reason: decision.reason } };
    default:
      return unreachable(decision);
  }
}
