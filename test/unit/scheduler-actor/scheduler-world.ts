import { startIntake } from '../../../src/actors/intake/intake.ts';
import { Persistence } from '../../../src/actors/persistence/persistence.ts';
import { Scheduler } from '../../../src/actors/scheduler/scheduler.ts';
import type { Service } from '../../../src/actors/service.ts';
import { scheduleSet } from '../../../src/app/schedule-set.ts';
import { type AnyJobDefinition, defineJob } from '../../../src/job/definition.ts';
import type { Job } from '../../../src/job/job.ts';
import { Issues } from '../../../src/kernel/check.ts';
import { RotaError } from '../../../src/kernel/error.ts';
import { uuidSource } from '../../../src/kernel/identity.ts';
import type { Logger } from '../../../src/kernel/log.ts';
import { MemoryBroker } from '../../../src/messaging/memory/memory-broker.ts';
import type { MemoryBus } from '../../../src/messaging/memory/memory-bus.ts';
import type { LinkFaults } from '../../../src/messaging/memory/memory-link.ts';
import { ask } from '../../../src/messaging/reply.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import type { DeclaredSchedule } from '../../../src/scheduler/schedule.ts';
import { scheduleDeclaration } from '../../../src/scheduler/schedule-check.ts';
import type { JobStore, OutcomeReport, StoreReply, StoreRequest } from '../../../src/store/job-store.ts';
import type { ScheduleRecord } from '../../../src/store/schedule-record.ts';
import { openSqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { seededRandom } from '../../../src/testing/seeded-random.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

/** When these worlds begin: a whole minute. */
export const BORN = Date.UTC(2026, 2, 28, 12, 0, 0);
export const LEASE_MS = 15_000;
/** A node that has not beaten for so long lives no more. */
export const LIVING_MS = 30_000;
export const POLL_MS = 1_000;

/** How the store fails: it does not do what is asked, or does it and its answer is lost. */
export type StoreFault = 'away' | 'deaf' | undefined;

/** What happens right before or after the n-th request that a scheduler makes from now on. */
export interface Interruption {
  requests: number;
  when: 'before' | 'after';
  act(): unknown;
}

const SCHEDULER_VERBS = new Set(['lead', 'scheduleChanges', 'changeSchedules', 'states', 'tick', 'reboot']);

/** A store that can be away, and at whose requests other things can happen. */
class FaultyStore implements JobStore {
  fault: StoreFault;
  interruption: Interruption | undefined;
  /** Fails from the n-th next tick on, once. */
  ticksUntilDeaf = Number.POSITIVE_INFINITY;
  readonly #store: JobStore;

  constructor(store: JobStore) {
    this.#store = store;
  }

  get capabilities() {
    return this.#store.capabilities;
  }

  async perform(requests: readonly StoreRequest[]): Promise<StoreReply[]> {
    if (this.fault === 'away') throw new RotaError('unavailable', 'the store is away');
    const interruption = this.#interrupting(requests);
    if (interruption?.when === 'before') await interruption.act();
    const replies = await this.#store.perform(requests);
    if (interruption?.when === 'after') await interruption.act();
    const ticks = requests.some(({ verb }) => verb === 'tick');
    if (ticks) this.ticksUntilDeaf -= 1;
    const once = ticks && this.ticksUntilDeaf <= 0;
    if (once) this.ticksUntilDeaf = Number.POSITIVE_INFINITY;
    if (once || this.fault === 'deaf') throw new RotaError('unavailable', 'the answer is lost');
    return replies;
  }

  /** Past every fault. */
  direct(...requests: StoreRequest[]): Promise<StoreReply[]> {
    return this.#store.perform(requests);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  #interrupting(requests: readonly StoreRequest[]): Interruption | undefined {
    const { interruption } = this;
    if (interruption === undefined || !requests.some(({ verb }) => SCHEDULER_VERBS.has(verb))) return undefined;
    interruption.requests -= 1;
    if (interruption.requests > 0) return undefined;
    this.interruption = undefined;
    return interruption;
  }
}

/** A line that was logged. */
export interface LogLine {
  level: string;
  message: string;
  fields: object;
}

/** An event of a schedule or a node. */
export interface SeenEvent {
  id: string;
  type: string;
  subject: string;
  data: Record<string, unknown>;
}

/** A schedule as a config declares it. */
export function declared(name: string, wire: Record<string, unknown>): DeclaredSchedule {
  const issues = new Issues();
  const declaration = scheduleDeclaration()({ job: { type: 'noop' }, ...wire }, name, issues);
  if (declaration === undefined) throw new Error(JSON.stringify(issues.list));
  return { name, declaration };
}

/** Schedulers, a store and the edge on one virtual clock and a bus in memory; nothing of it needs a machine. */
export class SchedulerWorldUnderTest {
  readonly clock = new VirtualClock(BORN);
  readonly subjects = new Subjects('jobs');
  readonly store: FaultyStore;
  readonly events: SeenEvent[] = [];
  readonly lines: LogLine[] = [];
  /** What schedulers crashed with. */
  readonly failures: unknown[] = [];
  readonly definitions: Map<string, AnyJobDefinition>;
  readonly #broker: MemoryBroker;
  readonly #persistence: Persistence;
  readonly #intake: Service;
  readonly #bus: MemoryBus;
  readonly #newId;
  readonly #schedulers = new Map<string, { scheduler: Scheduler; startedAt: number }>();

  static async make(
    options: { seed?: number; definitions?: AnyJobDefinition[] } = {},
  ): Promise<SchedulerWorldUnderTest> {
    const world = new SchedulerWorldUnderTest(options);
    await world.#persistence.start();
    return world;
  }

  private constructor({ seed = 1, definitions = [] }: { seed?: number; definitions?: AnyJobDefinition[] }) {
    const random = seededRandom(seed);
    const { clock, subjects } = this;
    const log = this.#log();
    this.#newId = uuidSource(clock, random);
    this.#broker = new MemoryBroker({ clock, random });
    this.#bus = this.#broker.connect({ name: 'here', subjects });
    this.store = new FaultyStore(openSqliteStore({ path: ':memory:', random }));
    const node = 'here';
    const shared = { bus: this.#bus, subjects, clock, node };
    const times = { leaseMs: 30_000, beatMs: 5_000, pollMs: 1_000 };
    this.#persistence = new Persistence({ ...shared, ...times, store: this.store, log });
    const noop = defineJob({ type: 'noop', run: () => null });
    this.definitions = new Map([noop, ...definitions].map((definition) => [definition.type, definition]));
    const queues = new Set(['default']);
    const limits = { livingMs: 30_000, pollMs: POLL_MS, timezone: 'UTC' };
    const { definitions: types } = this;
    this.#intake = startIntake({ ...shared, ...limits, newId: this.#newId, definitions: types, queues });
    this.#bus.subscribe(subjects.events(), {}, ({ body }) => {
      const event = body.value as SeenEvent;
      if (!event.type.startsWith('jobs.job.')) this.events.push(event);
    });
  }

  /** Starts a program's scheduler; with the same name again, its actor anew. */
  start(name: string, schedules: readonly DeclaredSchedule[] = []): Scheduler {
    const { clock, subjects, definitions } = this;
    const startedAt = this.#schedulers.get(name)?.startedAt ?? clock.now();
    const scheduler = new Scheduler({
      ...{ bus: this.#broker.connect({ name, subjects }), subjects, clock, newId: this.#newId, definitions, schedules },
      ...{ node: name, instance: `${name}-1`, startedAt, leaderLeaseMs: LEASE_MS, pollMs: POLL_MS, log: this.#log() },
      ...{ livingMs: LIVING_MS, scheduleSet: scheduleSet(schedules) },
      fail: (error) => this.failures.push(error),
    });
    this.#schedulers.set(name, { scheduler, startedAt });
    return scheduler;
  }

  /** A node that is seen now and whose config has other schedules than anybody's here. */
  async seeOther(node: string): Promise<void> {
    const now = this.clock.now();
    const record = { instance: `${node}-1`, version: '0', roles: ['scheduler'], startedAt: now, queues: [], types: [] };
    const refused = { not_owner: 0, not_executing: 0, not_found: 0 };
    await this.#persistence.perform('registerNode', {
      ...{ now, deadBefore: 0 },
      node: { ...record, node, seenAt: now, refused, scheduleSet: 'of another config' },
    });
  }

  /** Kills a program's scheduler as a crash does, and starts its actor anew. */
  crash(name: string, schedules: readonly DeclaredSchedule[]): void {
    const known = this.#schedulers.get(name);
    if (known === undefined) return;
    known.scheduler.kill();
    this.start(name, schedules);
  }

  /** What the network does to a program's messages from now on; `{}` mends it. */
  setFaults(name: string, faults: LinkFaults): void {
    this.#broker.setFaults(faults, { from: name });
    this.#broker.setFaults(faults, { to: name });
  }

  /** Cuts a program off, or lets it back. */
  partition(name: string, cut: boolean): void {
    if (cut) this.#broker.partition(name);
    else this.#broker.heal(name);
  }

  /** Asks the edge. Time passes only if the answer needs it. */
  async ask(verb: string, body: object = {}, kind = 'ctl.schedule'): Promise<Record<string, unknown>> {
    const asked = ask(this.#bus, `jobs.${kind}.${verb}`, { value: body, timeoutMs: 60_000 });
    asked.catch(() => {});
    await this.clock.settle();
    return (await asked) as Record<string, unknown>;
  }

  /** Asks the edge for what it refuses. */
  async refused(verb: string, body: object): Promise<{ code: string; message: string; paths: string[] }> {
    try {
      const answer = await this.ask(verb, body);
      throw new Error(`not refused: ${JSON.stringify(answer)}`);
    } catch (error) {
      if (!(error instanceof RotaError)) throw error;
      return { code: error.code, message: error.message, paths: error.issues.map(({ path }) => path) };
    }
  }

  /** The jobs of a schedule by nominal time, as they are stored. */
  async jobs(schedule: string): Promise<Job[]> {
    const jobs: Job[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page = await this.#persistence.perform('list', {
        ...{ filter: { schedule }, limit: 500, order: 'asc' as const },
        ...(cursor === undefined ? {} : { cursor }),
      });
      jobs.push(...page.jobs);
      ({ cursor } = page);
    }
    return jobs.sort((a, b) => (a.schedule?.at ?? 0) - (b.schedule?.at ?? 0));
  }

  /** Nominal times of a schedule's jobs, in milliseconds after {@link BORN}. */
  async times(schedule: string): Promise<number[]> {
    return (await this.jobs(schedule)).map((job) => (job.schedule?.at ?? 0) - BORN);
  }

  async stored(name: string): Promise<ScheduleRecord | undefined> {
    return (await this.#persistence.perform('schedules', { names: [name] })).schedules[0];
  }

  /** Runs every job that is there and ends it with an outcome. */
  async work(outcome: Pick<OutcomeReport, 'endSchedule'> & { outcome: 'complete'; result: null }): Promise<number> {
    const now = this.clock.now();
    const worker = '00000000-0000-4000-8000-000000000001';
    const claim = { now, queue: 'default', worker, node: 'here', limit: 1_000 };
    const jobs = await this.#persistence.perform('claim', claim);
    const outcomes = jobs.map(({ id, attempt, run }) => ({ id, attempt, run, ...outcome }));
    await this.#persistence.perform('settle', { now, worker, outcomes });
    return jobs.length;
  }

  /** Claims what is there and leaves it running. */
  async claim(): Promise<number> {
    const now = this.clock.now();
    const worker = '00000000-0000-4000-8000-000000000002';
    return (await this.#persistence.perform('claim', { now, queue: 'default', worker, node: 'here', limit: 1_000 }))
      .length;
  }

  /** What was told of a schedule or a node, as `what` with some of its data. */
  told(subject: string, ...fields: string[]): unknown[] {
    return this.events
      .filter((event) => event.subject === subject)
      .map(({ type, data }) => {
        const what = type.slice(type.lastIndexOf('.') + 1);
        return fields.length === 0 ? what : [what, ...fields.map((field) => data[field])];
      });
  }

  async stop(): Promise<void> {
    this.store.fault = undefined;
    for (const { scheduler } of this.#schedulers.values()) scheduler.kill();
    this.#intake.kill();
    await this.#persistence.stop();
  }

  #log(): Logger {
    const write = (level: string) => (fields: object, message: string) => {
      this.lines.push({ level, message, fields });
    };
    const log: Logger = {
      ...{ debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
      child: () => log,
    };
    return log;
  }
}
