import type { AnyJobDefinition } from '../../job/definition.ts';
import type { Clock } from '../../kernel/clock.ts';
import { errorText, RotaError } from '../../kernel/error.ts';
import type { IdSource } from '../../kernel/identity.ts';
import type { Logger } from '../../kernel/log.ts';
import { Body } from '../../messaging/body.ts';
import type { Bus, Subscription } from '../../messaging/bus.ts';
import type { Subjects } from '../../messaging/subjects.ts';
import type { DeclaredSchedule } from '../../scheduler/schedule.ts';
import { eventTeller } from '../event-teller.ts';
import { Periodic } from '../periodic.ts';
import type { Service } from '../service.ts';
import { storeClient } from '../store-client.ts';
import { syncConfig } from './config-sync.ts';
import { Lead } from './lead.ts';
import { RebootTicks } from './reboot-ticks.ts';
import { ScheduleBook } from './schedule-book.ts';
import type { ScheduleFact } from './tick-plan.ts';
import { Ticker } from './ticker.ts';

/** What the scheduler works with. */
export interface SchedulerWorld {
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  newId: IdSource;
  node: string;
  instance: string;
  /** When this program started: the nominal time of `@reboot`. */
  startedAt: number;
  definitions: ReadonlyMap<string, AnyJobDefinition>;
  /** The config's schedules. */
  schedules: readonly DeclaredSchedule[];
  /** What tells nodes whose configs have the same schedules; see `NodeRecord`. */
  scheduleSet: string;
  /** A node not seen for this long is not living, in milliseconds. */
  livingMs: number;
  /** How long a lead lasts unless it is renewed, in milliseconds. */
  leaderLeaseMs: number;
  /** How long to rest at most; a timer is aimed at wall time in steps of this, so that a suspend or drift costs no tick. */
  pollMs: number;
  log: Logger;
  /** Told what is no outage: the actor crashes with it. */
  fail(error: unknown): void;
}

/** The part of the largest message that is filled: sizes are estimates. */
const FILLED = 0.75;
/** The least rest where others change a schedule all the time, in milliseconds. */
const UNSETTLED_MS = 50;
/** How soon the config is laid out again where other living nodes have another one, in milliseconds. */
const AGAIN_MS = 5_000;
/** A schedule that is new at a start counts from when its config was read, but at most from so long ago. */
const SEEN_BEFORE_MS_MAX = 5_000;

/**
 * Leads or stands by. The leader, one at a time by a lease in the store, turns due ticks into jobs under its term; a
 * deposed leader's write is refused, so that two who believe they lead never double a tick. What changes in the store it
 * learns of by a hint, and by a look every `pollMs` without.
 */
export class Scheduler implements Service {
  readonly #world: SchedulerWorld;
  readonly #store;
  readonly #tell;
  readonly #lead: Lead;
  readonly #book: ScheduleBook;
  readonly #ticker: Ticker;
  readonly #reboots: RebootTicks;
  readonly #rounds: Periodic;
  readonly #hints: Subscription;
  /** The term whose config is laid out and whose ticks are being made. */
  #readyTerm: number | undefined;
  /** When the config is to be laid out again, in monotonic milliseconds. */
  #syncAt = Number.POSITIVE_INFINITY;
  #rebooted = false;
  #lookAt = Number.NEGATIVE_INFINITY;
  #killed = false;

  constructor(world: SchedulerWorld) {
    const { bus, subjects, clock, newId, node, instance, startedAt, definitions, log } = world;
    this.#world = world;
    this.#store = storeClient(bus, subjects);
    this.#tell = eventTeller({ bus, subjects, clock, newId, node });
    this.#lead = new Lead({ ...world, store: this.#store, tell: this.#tell });
    const bytesMax = this.#bytesMax;
    this.#book = new ScheduleBook(this.#store, bytesMax);
    const shared = { store: this.#store, book: this.#book, newId, definitions, bytesMax, log };
    const onFacts = (facts: readonly ScheduleFact[]): void => this.#told(facts);
    this.#ticker = new Ticker({ ...shared, clock, onFacts });
    this.#reboots = new RebootTicks({ ...shared, instance, startedAt, onFacts });
    this.#rounds = new Periodic({ clock, firstMs: 0, duty: () => this.#round() });
    this.#hints = bus.subscribe(subjects.hint('schedule', '*'), {}, () => {
      this.#lookAt = Number.NEGATIVE_INFINITY;
      this.#rounds.poke();
    });
  }

  /** Gives the lead up at once, so that another takes over without waiting for the lease. */
  async stop(): Promise<void> {
    this.#hints.unsubscribe();
    await this.#rounds.stop();
    if (!(await this.#lead.resign())) return;
    const { bus, subjects, node } = this.#world;
    bus.publish(subjects.hint('schedule', node), { body: Body.of({}, 'msgpack') });
  }

  kill(): void {
    this.#killed = true;
    this.#hints.unsubscribe();
    this.#rounds.kill();
  }

  get #bytesMax(): number {
    return this.#world.bus.payloadBytesMax * FILLED;
  }

  /** Lead, take in what changed, tick; how long to rest. */
  async #round(): Promise<number> {
    const { clock, pollMs, leaderLeaseMs, log, fail } = this.#world;
    const restMs = Math.min(pollMs, leaderLeaseMs / 3);
    try {
      const term = await this.#lead.hold();
      if (term === undefined) await this.#standBy();
      const settled = term !== undefined && (await this.#act(term));
      if (term === undefined || this.#killed) return restMs;
      return Math.max(settled ? 0 : UNSETTLED_MS, Math.min(restMs, this.#ticker.nextAt - clock.now()));
    } catch (error) {
      if (!(error instanceof RotaError)) {
        if (!this.#killed) fail(error);
      } else if (error.code === 'conflict') this.#lead.lost('deposed');
      else log.debug({ error: errorText(error) }, 'the store is away; the scheduler waits');
      return restMs;
    }
  }

  /** @returns false when others changed a schedule so often that its ticks could not be decided */
  async #act(term: number): Promise<boolean> {
    const { clock } = this.#world;
    if (this.#readyTerm !== term) await this.#takeUp(term);
    else if (clock.monotonicMs() >= this.#syncAt) await this.#layOut(term);
    if (!this.#rebooted) this.#rebooted = await this.#reboots.fire(clock.now());
    if (!this.#rebooted || clock.monotonicMs() >= this.#lookAt) await this.#takeIn();
    if (await this.#ticker.tick(term)) return true;
    // Once more, but not for ever: the lead must be renewed.
    await this.#takeIn();
    return this.#ticker.tick(term);
  }

  /** A standby's only duty is the start of its own program, once a leader has laid the schedules out. */
  async #standBy(): Promise<void> {
    this.#readyTerm = undefined;
    if (this.#rebooted) return;
    const { syncedTerm } = await this.#book.refresh();
    if (syncedTerm === this.#lead.leadersTerm) this.#rebooted = await this.#reboots.fire(this.#world.clock.now());
  }

  /** The beginning of a lead: the config is laid beside what is stored, and every schedule looked at. */
  async #takeUp(term: number): Promise<void> {
    const { log } = this.#world;
    this.#book.clear();
    await this.#layOut(term);
    if (this.#killed) return;
    this.#readyTerm = term;
    log.info({ term, schedules: this.#book.size }, 'leads the schedules');
  }

  /** Lays the config beside what is stored; what is only in another living node's config stays until that is gone. */
  async #layOut(term: number): Promise<void> {
    const { clock, schedules, startedAt, scheduleSet, livingMs, log } = this.#world;
    const now = clock.now();
    const seenAt = Math.min(now, Math.max(startedAt, now - SEEN_BEFORE_MS_MAX));
    const nodes = await this.#store.ask('nodes', { seenAfter: now - livingMs });
    const removes = nodes.every((node) => (node.scheduleSet ?? scheduleSet) === scheduleSet);
    const shared = { store: this.#store, book: this.#book, bytesMax: this.#bytesMax, log };
    const { changes, kept } = await syncConfig({ ...shared, declared: schedules, removes }, { term, now, seenAt });
    if (this.#killed) return;
    this.#syncAt = kept > 0 ? clock.monotonicMs() + AGAIN_MS : Number.POSITIVE_INFINITY;
    for (const { name } of this.#book.records) this.#ticker.look(name);
    for (const { name, what } of changes) {
      if (what === 'removed') this.#ticker.forget(name);
      this.#tell({ kind: 'schedule', name, what, data: { schedule: name, source: 'config', by: 'config' } });
    }
  }

  /** Takes in what others changed in the store. */
  async #takeIn(): Promise<void> {
    const { clock, pollMs } = this.#world;
    const lookAt = clock.monotonicMs() + pollMs;
    this.#lookAt = lookAt;
    const { changed, removed } = await this.#book.refresh();
    for (const name of removed) this.#ticker.forget(name);
    for (const { before, record } of changed) {
      const { name, endedAt } = record;
      this.#ticker.look(name);
      if (before === undefined || endedAt === null || before.endedAt !== null) continue;
      this.#told([{ schedule: name, what: 'ended', data: { schedule: name, reason: 'outcome' } }]);
    }
  }

  #told(facts: readonly ScheduleFact[]): void {
    for (const { schedule, what, data } of facts) this.#tell({ kind: 'schedule', name: schedule, what, data });
  }
}
