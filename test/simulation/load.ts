import { sleep } from '../../src/kernel/clock.ts';
import { RotaError } from '../../src/kernel/error.ts';
import { type IdSource, uuidSource } from '../../src/kernel/identity.ts';
import type { Bus } from '../../src/messaging/bus.ts';
import { ask } from '../../src/messaging/reply.ts';
import { Subjects } from '../../src/messaging/subjects.ts';
import type { VirtualClock } from '../../src/testing/testing.ts';
import { Chance, streamOf } from './chance.ts';
import type { Handlers } from './handlers.ts';
import { type Asking, drawJob } from './job-draw.ts';
import type { Complain, JobHistory } from './job-history.ts';
import { Operators, type Pause } from './operators.ts';
import { type BusyPhase, type Focus, phaseAt, QUIET_MEAN_MS } from './phases.ts';
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
  /** When schedules end, in milliseconds since the epoch. */
  endAt: number;
}

/** A job that a client asked for. */
export interface AskedJob {
  id: string;
  type: string;
  /** It was answered: it is durable. */
  acknowledged: boolean;
  /** Somebody asked to cancel or to delete it. */
  disturbed: boolean;
  tag?: string | undefined;
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
  readonly #cancelledTags = new Set<string | undefined>();
  readonly #world: LoadWorld;
  readonly #chance: Chance;
  readonly #newId: IdSource;
  readonly #subjects = new Subjects('jobs');
  readonly #underWay = new Set<Promise<void>>();
  #stopped = false;
  readonly #operators: Operators;

  constructor(world: LoadWorld) {
    this.#world = world;
    this.#chance = new Chance(streamOf(world.seed, 'load'));
    this.#newId = uuidSource(world.clock, streamOf(world.seed, 'load ids'));
    this.#operators = new Operators({
      ...{ clock: world.clock, chance: this.#chance, newId: this.#newId, handlers: world.handlers, endAt: world.endAt },
      control: (name, body) => this.#control(name, body),
      asks: (job) => this.#asks(job),
    });
  }

  /** Something is done every so often until {@link stop}, more of it in the busy phases. */
  start(phases: readonly BusyPhase[]): void {
    const { clock } = this.#world;
    const focusNow = (): Focus => phaseAt(phases, clock.monotonicMs())?.focus ?? 'mixed';
    const wait = (): void => {
      const meanMs = phaseAt(phases, clock.monotonicMs())?.meanMs ?? QUIET_MEAN_MS;
      const morning = phases.find(({ fromMs }) => fromMs > clock.monotonicMs());
      const untilMs = (morning?.fromMs ?? Number.POSITIVE_INFINITY) - clock.monotonicMs();
      clock.setTimeout(next, Math.min(this.#chance.between(1, 2 * meanMs), untilMs));
    };
    const next = (): void => {
      if (this.#stopped) return;
      this.#begin(this.#deed(focusNow()));
      wait();
    };
    for (const { fromMs, focus } of phases) clock.setTimeout(() => this.#opens(focus), fromMs);
    wait();
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
      await this.#control('queue.scale', { queue, limit: null });
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

  /** A phase with a focus begins with many such jobs at once, and with their limit: more than it lets start. */
  #opens(focus: Focus): void {
    if (focus === 'mixed' || this.#stopped) return;
    if (focus !== 'keyed') this.#begin(this.#operators.limit(focus));
    this.#begin(this.#bulk(this.#chance.between(6, 16), focus));
  }

  #deed(focus: Focus): Promise<void> {
    const chance = this.#chance;
    const drawn = chance.random();
    if (drawn < 0.68) return this.#enqueue(this.#job(focus), chance.hits(0.1) ? 2 : 1);
    if (drawn < 0.76) return this.#bulk(chance.between(2, 25), focus);
    if (drawn < 0.82) return this.#disturb('cancel');
    if (drawn < 0.86) return this.#disturb('retry');
    if (drawn < 0.875) return this.#disturb('delete');
    if (drawn < 0.895) return this.#disturb('update', this.#changes());
    if (drawn < 0.91) return this.#ofTag();
    return this.#operators.operate();
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

  #job(focus: Focus): Asking {
    return drawJob(this.#chance, this.#newId(), focus);
  }

  async #bulk(count: number, focus: Focus): Promise<void> {
    const { queue } = this.#job(focus);
    const jobs = Array.from({ length: count }, () => this.#job(focus).body);
    const asked = jobs.map((body) => this.#asks(body));
    const reply = await this.#until(this.#subjects.enqueue(queue), jobs);
    if (reply === undefined) return;
    const answered = (reply as { jobs: { job: { id: string } }[] }).jobs;
    for (const [index, one] of asked.entries()) this.#acknowledged(one, answered[index]?.job.id ?? '');
  }

  #asks({ id, type, tags }: { id: string; type: string; tags?: string[] }): AskedJob {
    const asked: AskedJob = {
      id,
      type,
      acknowledged: false,
      disturbed: this.#cancelledTags.has(tags?.[0]),
      tag: tags?.[0],
    };
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

  #changes(): object {
    const chance = this.#chance;
    const when = { scheduledAt: new Date(this.#world.clock.now() + chance.between(0, 60_000)).toISOString() };
    return { priority: chance.between(0, 9), tags: [`g${chance.between(1, 3)}`], ...(chance.hits(0.5) ? when : {}) };
  }

  /** Looks for the jobs of a tag, and at times cancels them. */
  async #ofTag(): Promise<void> {
    const { complain } = this.#world;
    const tag = `t${this.#chance.between(1, 6)}`;
    if (this.#chance.hits(0.3)) {
      // Asked again and again until it is answered, it also reaches jobs that are younger than its first try.
      this.#cancelledTags.add(tag);
      for (const asked of this.asked.values()) if (asked.tag === tag) asked.disturbed = true;
      await this.#until(this.#subjects.job('cancel'), { tag });
      return;
    }
    const found = await this.#until(this.#subjects.job('list'), { tag, limit: 100 });
    for (const { id, tags } of (found as { jobs: { id: string; tags: string[] }[] } | undefined)?.jobs ?? [])
      if (!tags.includes(tag)) complain('lists fit their filter', id, `has not the tag ${tag}`);
  }

  async #disturb(verb: 'cancel' | 'retry' | 'delete' | 'update', changes: object = {}): Promise<void> {
    const ids = [...this.asked.keys()];
    const id = ids[ids.length - 1 - Math.floor(this.#chance.random() ** 2 * ids.length)];
    const asked = id === undefined ? undefined : this.asked.get(id);
    if (asked === undefined || (verb === 'delete' && !asked.acknowledged)) return;
    // What is debounced is moved by its own rule alone.
    if (verb === 'update' && asked.type === 'settling') return;
    if (verb !== 'update') asked.disturbed = true;
    await this.#until(this.#subjects.job(verb), { id, ...changes });
  }

  /** When a schedule was paused for certain. */
  pausesOf(schedule: string): readonly Pause[] {
    return this.#operators.pausesOf(schedule);
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
