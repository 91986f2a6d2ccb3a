import { sleep } from '../../src/kernel/clock.ts';
import type { IdSource } from '../../src/kernel/identity.ts';
import type { VirtualClock } from '../../src/testing/testing.ts';
import type { Chance } from './chance.ts';
import type { Handlers } from './handlers.ts';
import type { LimitedQueue } from './phases.ts';

/** A stretch of time in which a schedule was paused for certain, in milliseconds since the epoch. */
export interface Pause {
  from: number;
  until: number;
}

/** What operators work with. */
export interface OperatorsWorld {
  clock: VirtualClock;
  chance: Chance;
  newId: IdSource;
  handlers: Handlers;
  /** When schedules end, in milliseconds since the epoch. */
  endAt: number;
  /** Asks until it is answered. Undefined: it was refused, or nobody knows. */
  control(name: string, body: object): Promise<unknown>;
  /** Notes that a job may come to be. */
  asks(job: { id: string; type: string }): void;
}

/** Before a pause was answered and after its end was asked for, some ticks may be decided: so much is no pause, in milliseconds. */
const EDGE_MS = 2_000;

/** People who change queues and schedules while all runs. */
export class Operators {
  readonly #world: OperatorsWorld;
  readonly #pauses = new Map<string, Pause[]>();
  #schedules = 0;

  constructor(world: OperatorsWorld) {
    this.#world = world;
  }

  /** When a schedule was paused for certain. */
  pausesOf(schedule: string): readonly Pause[] {
    return this.#pauses.get(schedule) ?? [];
  }

  /** One thing that somebody does. */
  async operate(): Promise<void> {
    const { chance, newId, asks, control } = this.#world;
    const drawn = chance.random();
    if (drawn < 0.6) return this.#onQueue(drawn / 0.6);
    if (drawn < 0.9) return this.#schedule();
    const id = newId();
    asks({ id, type: 'work' });
    await control('schedule.run', { name: 'all', id });
  }

  async #onQueue(drawn: number): Promise<void> {
    const { chance, clock, control, handlers } = this.#world;
    const queue = chance.of(['work', 'slow', 'capped', 'rated', 'tenants'] as const);
    if (drawn < 0.2) {
      await control('queue.pause', { queue });
      await sleep(clock, chance.between(500, 60_000));
      await control('queue.resume', { queue });
    } else if (drawn < 0.35) {
      handlers.scaled(queue);
      await control('queue.scale', { queue, limit: chance.between(1, 10) });
    } else if (drawn < 0.55) await this.limit('capped');
    else if (drawn < 0.75) await this.limit('rated');
    else if (drawn < 0.92) await this.limit('tenants');
    else await control('queue.purge', { queue });
  }

  /** Sets the limit of a queue that has one. */
  async limit(queue: LimitedQueue): Promise<void> {
    const { chance, control } = this.#world;
    const limits = {
      capped: () => ({ globalLimit: chance.between(1, 3) }),
      rated: () => ({ rate: { limit: chance.between(2, 6), period: 30_000 } }),
      tenants: () => ({ partition: { by: 'args.tenant', limit: chance.between(1, 2) } }),
    };
    await control('queue.limit', { queue, ...limits[queue]() });
  }

  /** The life of a schedule: put, paused, resumed, put again, run by hand, deleted. Some of it is left out. */
  async #schedule(): Promise<void> {
    const { chance, clock, control, newId, asks } = this.#world;
    this.#schedules += 1;
    const name = chance.hits(0.3) ? 'switched' : `run${this.#schedules}`;
    const rest = (ms: number): Promise<void> => sleep(clock, chance.between(500, ms));
    const put = (): Promise<unknown> =>
      name === 'switched' ? Promise.resolve() : control('schedule.put', this.#wanted(name));
    await put();
    await rest(60_000);
    const paused = await control('schedule.pause', { name });
    const from = clock.now() + EDGE_MS;
    await rest(100_000);
    const until = clock.now() - EDGE_MS;
    const resumed = await control('schedule.resume', { name });
    // The pauses of the one that several operators switch overlap.
    if (paused !== undefined && resumed !== undefined && name !== 'switched') this.#pauses.set(name, [{ from, until }]);
    await rest(60_000);
    if (name === 'switched') return;
    if (chance.hits(0.5)) await put();
    const id = newId();
    asks({ id, type: 'work' });
    await control('schedule.run', { name, id });
    await rest(30_000);
    if (chance.hits(0.7)) await control('schedule.delete', { name });
  }

  #wanted(name: string): object {
    const { chance, endAt } = this.#world;
    return {
      name,
      spec: chance.hits(0.7) ? { every: chance.between(15, 60) * 1_000 } : { cron: '* * * * *' },
      job: { type: 'work', queue: 'work', args: { ms: 50 } },
      overlap: chance.of(['allow', 'skip', 'cancel_running'] as const),
      misfire: chance.of(['latest', 'skip', 'all'] as const),
      endAt: new Date(endAt).toISOString(),
    };
  }
}
