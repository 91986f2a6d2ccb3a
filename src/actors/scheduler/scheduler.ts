import type { AnyJobDefinition } from '../../job/definition.ts';
import type { Clock } from '../../kernel/clock.ts';
import { errorText, RotaError } from '../../kernel/error.ts';
import type { IdSource } from '../../kernel/identity.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Bus } from '../../messaging/bus.ts';
import type { Subjects } from '../../messaging/subjects.ts';
import type { ScheduleRecord } from '../../store/schedule-record.ts';
import { eventTeller } from '../event-teller.ts';
import { Periodic } from '../periodic.ts';
import type { Service } from '../service.ts';
import { storeClient } from '../store-client.ts';
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
  schedules: readonly ScheduleRecord[];
  /** How long a lead lasts unless it is renewed, in milliseconds. */
  leaderLeaseMs: number;
  /** How long to rest at most; a timer is aimed at wall time in steps of this, so that a suspend or drift costs no tick. */
  pollMs: number;
  log: Logger;
}

/**
 * Leads or stands by. The leader, one at a time by a lease in the store, turns due ticks into jobs under its term; a
 * deposed leader's write is refused, so that two who believe they lead never double a tick.
 */
export class Scheduler implements Service {
  readonly #world: SchedulerWorld;
  readonly #store;
  readonly #tell;
  readonly #ticker: Ticker;
  readonly #rounds: Periodic;
  /** The term under which this actor leads; undefined: it stands by. */
  #term: number | undefined;
  #renewAt = Number.NEGATIVE_INFINITY;

  constructor(world: SchedulerWorld) {
    const { bus, subjects, clock, newId, node, definitions } = world;
    this.#world = world;
    this.#store = storeClient(bus, subjects);
    this.#tell = eventTeller({ bus, subjects, clock, newId, node });
    this.#ticker = new Ticker({
      ...{ store: this.#store, clock, newId, definitions },
      onFacts: (facts) => {
        for (const { schedule, what, data } of facts) this.#tell({ kind: 'schedule', name: schedule, what, data });
      },
    });
    this.#rounds = new Periodic({ clock, firstMs: 0, duty: () => this.#round() });
  }

  /** Gives the lead up at once, so that another takes over without waiting for the lease. */
  async stop(): Promise<void> {
    await this.#rounds.stop();
    if (this.#term === undefined) return;
    const { clock, node, instance } = this.#world;
    await this.#store.ask('resign', { now: clock.now(), node, instance }).catch(() => {});
    this.#standBy('stopped');
  }

  kill(): void {
    this.#rounds.kill();
  }

  async #round(): Promise<number> {
    const { clock, pollMs, log } = this.#world;
    try {
      await this.#lead();
      if (this.#term === undefined) return pollMs;
      await this.#ticker.tick(this.#term);
      return Math.max(0, Math.min(pollMs, this.#ticker.nextAt - clock.now()));
    } catch (error) {
      if (error instanceof RotaError && error.code === 'conflict') this.#standBy('deposed');
      else log.debug({ error: errorText(error) }, 'the store is away; the scheduler waits');
      return pollMs;
    }
  }

  /** Takes or renews the lead, three times in a lease. */
  async #lead(): Promise<void> {
    const { clock, node, instance, leaderLeaseMs, schedules, startedAt, log } = this.#world;
    if (this.#term !== undefined && clock.monotonicMs() < this.#renewAt) return;
    const renewAt = clock.monotonicMs() + leaderLeaseMs / 3;
    const leader = await this.#store.ask('lead', { now: clock.now(), node, instance, leaseMs: leaderLeaseMs });
    if (leader.instance !== instance) {
      this.#standBy('another node leads');
      return;
    }
    this.#renewAt = renewAt;
    if (leader.term === this.#term) return;
    const { term } = leader;
    const synced = await this.#store.ask('syncSchedules', { now: clock.now(), term, schedules });
    this.#ticker.load(synced.schedules);
    await this.#ticker.reboot(startedAt, term);
    this.#term = term;
    this.#tell({ kind: 'node', name: node, what: 'leader-acquired', data: { term } });
    for (const what of ['added', 'changed', 'removed'] as const) {
      for (const name of synced[what])
        this.#tell({ kind: 'schedule', name, what, data: { schedule: name, source: 'config' } });
    }
    log.info({ term, schedules: synced.schedules.length }, 'leads the schedules');
  }

  #standBy(reason: string): void {
    if (this.#term === undefined) return;
    const { node } = this.#world;
    this.#tell({ kind: 'node', name: node, what: 'leader-lost', data: { term: this.#term, reason } });
    this.#term = undefined;
  }
}
