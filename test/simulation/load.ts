import { sleep } from '../../src/kernel/clock.ts';
import { RotaError } from '../../src/kernel/error.ts';
import { type IdSource, uuidSource } from '../../src/kernel/identity.ts';
import type { Bus } from '../../src/messaging/bus.ts';
import { ask } from '../../src/messaging/reply.ts';
import { Subjects } from '../../src/messaging/subjects.ts';
import type { VirtualClock } from '../../src/testing/testing.ts';
import { Chance, streamOf } from './chance.ts';
import type { Handlers } from './handlers.ts';
import type { Complain, JobHistory } from './job-history.ts';
import type { Trace } from './trace.ts';

/** What clients work with. */
export interface LoadWorld {
  seed: number;
  clock: VirtualClock;
  bus: Bus;
  history: JobHistory;
  handlers: Handlers;
  trace: Trace;
  complain: Complain;
}

/** A job that a client asked for. */
export interface AskedJob {
  id: string;
  type: string;
  /** It was answered: it is durable. */
  acknowledged: boolean;
  /** Somebody asked to cancel or to delete it. */
  disturbed: boolean;
}

interface Asking {
  queue: string;
  body: Record<string, unknown> & { id: string; type: string };
}

/** How long a request may take before it is sent again, in milliseconds. */
const TRY_MS = 3_000;
/** How often it is sent before the client gives up, not knowing what became of it. */
const TRIES_MAX = 12;
const AGAIN_MS = 700;

/** Programs and operators that use Rota over the bus: what they ask for, and what they were told. */
export class Load {
  /** Every job that was asked for, also those of which nothing was heard. */
  readonly asked = new Map<string, AskedJob>();
  readonly #world: LoadWorld;
  readonly #chance: Chance;
  readonly #newId: IdSource;
  readonly #subjects = new Subjects('jobs');
  readonly #underWay = new Set<Promise<void>>();
  #stopped = false;

  constructor(world: LoadWorld) {
    this.#world = world;
    this.#chance = new Chance(streamOf(world.seed, 'load'));
    this.#newId = uuidSource(world.clock, streamOf(world.seed, 'load ids'));
  }

  /** Something is done every so often until {@link stop}. */
  start(meanMs: number): void {
    const { clock } = this.#world;
    const next = (): void => {
      if (this.#stopped) return;
      this.#begin(this.#deed());
      clock.setTimeout(next, this.#chance.between(1, 2 * meanMs));
    };
    clock.setTimeout(next, 1_000);
  }

  /** No more; what is under way still ends. */
  stop(): void {
    this.#stopped = true;
  }

  get idle(): boolean {
    return this.#underWay.size === 0;
  }

  /** Lifts everything that operators said, again and again until it is heard. */
  async liftAll(queues: readonly string[]): Promise<void> {
    for (const queue of queues) {
      await this.#control('queue.resume', { queue });
      await this.#control('queue.limit', { queue, globalLimit: null, rate: null, partition: null });
    }
  }

  #begin(deed: Promise<void>): void {
    const { complain } = this.#world;
    const over = deed.catch((error: unknown) => {
      if (!(error instanceof RotaError)) complain('clients are answered', 'load', String(error));
    });
    this.#underWay.add(over);
    over.then(() => this.#underWay.delete(over));
  }

  #deed(): Promise<void> {
    const chance = this.#chance;
    const drawn = chance.random();
    if (drawn < 0.72) return this.#enqueue(this.#job(), chance.hits(0.1) ? 2 : 1);
    if (drawn < 0.8) return this.#bulk(chance.between(2, 25));
    if (drawn < 0.86) return this.#disturb('cancel');
    if (drawn < 0.9) return this.#disturb('retry');
    if (drawn < 0.915) return this.#disturb('delete');
    return this.#operate();
  }

  #job(): Asking {
    const chance = this.#chance;
    const id = this.#newId();
    const ms = chance.of([1, 400, 3_000, 30_000]);
    const late = chance.hits(0.15) ? { scheduleIn: chance.between(500, 120_000) } : {};
    const deadline = chance.hits(0.04) ? { deadline: chance.between(1_000, 80_000) } : {};
    const priority = { priority: chance.between(0, 9) };
    const of = (queue: string, type: string, args: object) => ({
      queue,
      body: { id, type, args, ...late, ...deadline, ...priority },
    });
    const drawn = chance.random();
    if (drawn < 0.25) return of('work', 'work', { ms });
    if (drawn < 0.35) return of('work', 'flaky', { ms, times: chance.between(1, 3) });
    if (drawn < 0.4) return of('work', 'doomed', { ms });
    if (drawn < 0.48) return of('work', 'later', { ms, times: chance.between(1, 2) });
    if (drawn < 0.5) return of('slow', 'hang', {});
    if (drawn < 0.51) return of('slow', 'deaf', {});
    if (drawn < 0.54) return of('work', 'odd', { times: chance.between(1, 2) });
    if (drawn < 0.58) return of('work', 'parent', {});
    if (drawn < 0.68) return of('work', 'only', { ms: 15_000, key: `k${chance.between(1, 4)}` });
    if (drawn < 0.78) return of('capped', 'work', { ms: chance.between(1_000, 20_000) });
    if (drawn < 0.86) return of('rated', 'work', { ms });
    if (drawn < 0.97) return of('tenants', 'work', { ms: 8_000, tenant: `t${chance.between(1, 4)}` });
    return of('work', 'fresh', { ms });
  }

  /** Asks for one job until it is answered, as one client or as two at once. */
  async #enqueue({ queue, body }: Asking, clients: number): Promise<void> {
    const asked = this.#asks(body);
    const send = async (): Promise<void> => {
      const reply = await this.#until(this.#subjects.enqueue(queue), body);
      if (reply !== undefined) this.#acknowledged(asked, (reply as { job: { id: string } }).job.id);
    };
    await Promise.all(Array.from({ length: clients }, send));
  }

  async #bulk(count: number): Promise<void> {
    const { queue } = this.#job();
    const jobs = Array.from({ length: count }, () => this.#job().body);
    const asked = jobs.map((body) => this.#asks(body));
    const reply = await this.#until(this.#subjects.enqueue(queue), jobs);
    if (reply === undefined) return;
    const answered = (reply as { jobs: { job: { id: string } }[] }).jobs;
    for (const [index, one] of asked.entries()) this.#acknowledged(one, answered[index]?.job.id ?? '');
  }

  #asks({ id, type }: { id: string; type: string }): AskedJob {
    const asked: AskedJob = { id, type, acknowledged: false, disturbed: false };
    this.asked.set(id, asked);
    return asked;
  }

  /** What was answered must be committed by then: the job itself, or the one that was there instead. */
  #acknowledged(asked: AskedJob, id: string): void {
    const { history, complain, trace } = this.#world;
    trace.add('client', `${asked.id} is acknowledged as ${id}`);
    const job = history.jobs.get(id);
    if (job === undefined)
      complain('acknowledged is committed', asked.id, `was answered as ${id}, which is not stored`);
    else if (job.type !== asked.type)
      complain('acknowledged is committed', asked.id, `was answered as ${id}, another type`);
    if (id === asked.id) asked.acknowledged = true;
  }

  async #disturb(verb: 'cancel' | 'retry' | 'delete'): Promise<void> {
    const ids = [...this.asked.keys()];
    const id = ids[ids.length - 1 - Math.floor(this.#chance.random() ** 2 * ids.length)];
    const asked = id === undefined ? undefined : this.asked.get(id);
    if (asked === undefined || (verb === 'delete' && !asked.acknowledged)) return;
    asked.disturbed = true;
    await this.#until(this.#subjects.job(verb), { id });
  }

  async #operate(): Promise<void> {
    const chance = this.#chance;
    const queue = chance.of(['work', 'slow', 'capped', 'rated', 'tenants'] as const);
    const drawn = chance.random();
    if (drawn < 0.15) {
      await this.#control('queue.pause', { queue });
      await sleep(this.#world.clock, chance.between(500, 60_000));
      await this.#control('queue.resume', { queue });
    } else if (drawn < 0.3) {
      this.#world.handlers.scaled(queue);
      await this.#control('queue.scale', { queue, limit: chance.between(1, 10) });
    } else if (drawn < 0.5) await this.#control('queue.limit', { queue: 'capped', globalLimit: chance.between(1, 3) });
    else if (drawn < 0.65) {
      await this.#control('queue.limit', { queue: 'rated', rate: { limit: chance.between(2, 6), period: 30_000 } });
    } else if (drawn < 0.8) {
      await this.#control('queue.limit', {
        queue: 'tenants',
        partition: { by: 'args.tenant', limit: chance.between(1, 2) },
      });
    } else if (drawn < 0.9) {
      await this.#control('schedule.pause', { name: 'switched' });
      await sleep(this.#world.clock, chance.between(500, 80_000));
      await this.#control('schedule.resume', { name: 'switched' });
    } else {
      const id = this.#newId();
      this.#asks({ id, type: 'work' });
      await this.#control('schedule.run', { name: 'all', id });
    }
  }

  #control(name: string, body: object): Promise<unknown> {
    const [kind = '', verb = ''] = name.split('.');
    this.#world.trace.add('operator', `${name} ${JSON.stringify(body)}`);
    return this.#until(this.#subjects.control(kind, verb), body);
  }

  /** Sends a request until somebody answers it. Undefined: nobody did in time, or it was refused. */
  async #until(subject: string, value: unknown): Promise<unknown> {
    const { bus, clock } = this.#world;
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      try {
        return await ask(bus, subject, { value, timeoutMs: TRY_MS, codec: 'json' });
      } catch (error) {
        if (!(error instanceof RotaError)) throw error;
        const again = error.code === 'unavailable' || error.code === 'timeout' || error.code === 'overloaded';
        if (!again) return undefined;
        await sleep(clock, AGAIN_MS);
      }
    }
    return undefined;
  }
}
