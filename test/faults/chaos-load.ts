import { setTimeout as wait } from 'node:timers/promises';
import { v7 } from 'uuid';
import type { Chance } from '../simulation/chance.ts';
import type { PlainClient, WireJob } from '../support/plain-client.ts';
import { Asked } from './chaos-history.ts';

/** Programs that ask at once. */
const LOOPS = 3;
/** How long each rests after an answer, at most, in milliseconds. */
const REST_MS = 60;
/** How long a queue stays paused, in milliseconds. */
const PAUSE_MS = 900;
const EVERY_STATE = ['scheduled', 'available', 'executing', 'retryable', 'completed', 'cancelled', 'discarded'];

type Ask = () => Promise<void>;

/** Programs that ask for everything that may be asked of a fleet, and repeat what nobody answers until somebody does. */
export class ChaosLoad {
  readonly asked = new Asked();
  readonly #client: PlainClient;
  readonly #chance: Chance;
  readonly #loops: Promise<void>[];
  /** What goes on beside the loops: what is asked later of a job. */
  readonly #later = new Set<Promise<void>>();
  #keys = 0;
  #paused = false;
  #stopped = false;

  /** Begins at once. */
  constructor(client: PlainClient, chance: Chance) {
    this.#client = client;
    this.#chance = chance;
    this.#loops = Array.from({ length: LOOPS }, () => this.#run());
  }

  /** Ends it; what is under way is still answered. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loops);
    await Promise.all(this.#later);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await this.#next()();
      await wait(this.#chance.between(0, REST_MS));
    }
  }

  #next(): Ask {
    const chance = this.#chance;
    const ms = chance.between(0, 60);
    const plain: Ask = () => this.#one({ type: 'work', args: { ms } }, 'completed');
    return chance.of<Ask>([
      ...([plain, plain, plain] as const),
      () => this.#one({ type: 'work', args: { ms }, scheduleIn: 300 + ms * 20 }, 'completed'),
      () => this.#one({ type: 'work', args: { ms, fails: chance.between(1, 2) } }, 'completed'),
      () => this.#one({ type: 'slow', args: { ms: ms * 5 } }, 'completed', 'slow'),
      () => this.#one({ type: 'slow', args: { ms: ms * 3 } }, 'completed', 'slow'),
      () => this.#discarded(),
      () => this.#bulk(),
      () => this.#unique(),
      () => this.#cancelled(),
      () => this.#put(),
      () => (chance.hits(0.2) ? this.#pause() : plain()),
    ]);
  }

  /** Enqueues one job with an id of ours. */
  async #one(job: Record<string, unknown>, end: string | undefined, queue = 'default'): Promise<void> {
    const id = v7();
    await this.#enqueue(id, job, queue);
    this.asked.acknowledged.set(id, end);
  }

  async #enqueue(id: string, job: Record<string, unknown>, queue: string): Promise<WireJob> {
    this.asked.sent.add(id);
    return (await this.#client.ask<{ job: WireJob }>(`jobs.enqueue.${queue}`, { id, ...job })).job;
  }

  async #bulk(): Promise<void> {
    const jobs = Array.from({ length: this.#chance.between(2, 20) }, () => ({
      id: v7(),
      type: 'work',
      args: { ms: 2 },
    }));
    for (const { id } of jobs) this.asked.sent.add(id);
    await this.#client.ask('jobs.enqueue.default', jobs);
    for (const { id } of jobs) this.asked.acknowledged.set(id, 'completed');
  }

  /** Several programs enqueue the same, each with an id of its own. */
  async #unique(): Promise<void> {
    const key = `key-${++this.#keys}`;
    const answered = new Set<string>();
    this.asked.unique.set(key, answered);
    const unique = { by: ['type', 'args'], keys: ['key'], within: 'forever', states: EVERY_STATE };
    await Promise.all(
      Array.from({ length: 3 }, async () => {
        const { id } = await this.#enqueue(v7(), { type: 'work', args: { ms: 5, key }, unique }, 'default');
        answered.add(id);
        this.asked.acknowledged.set(id, 'completed');
      }),
    );
  }

  /** A job that fails for good; some are tried again by hand. */
  async #discarded(): Promise<void> {
    const id = v7();
    await this.#enqueue(id, { type: 'odd', args: { how: 'text' } }, 'default');
    this.asked.acknowledged.set(id, 'discarded');
    if (!this.#chance.hits(0.5)) return;
    this.asked.retried.add(id);
    this.#beside(async () => {
      await this.#client.ended(id);
      await this.#tell('jobs.job.retry', { id });
    });
  }

  /** A job that ends only when it is cancelled, and that is, waiting or running. */
  async #cancelled(): Promise<void> {
    const id = v7();
    const afterMs = this.#chance.between(0, 400);
    await this.#enqueue(id, { type: 'polite' }, 'default');
    this.asked.acknowledged.set(id, 'cancelled');
    this.asked.cancelled.add(id);
    this.#beside(async () => {
      await wait(afterMs);
      await this.#tell('jobs.job.cancel', { id });
    });
  }

  /** A schedule that fires once, about now. */
  async #put(): Promise<void> {
    const name = `once-${++this.#keys}`;
    const at = new Date(Date.now() + this.#chance.between(200, 1_500)).toISOString();
    const job = { type: 'work', args: { ms: 1 } };
    // What is put too late is refused, by a clock that may be a little ahead of ours.
    const isPut = await this.#tell('jobs.ctl.schedule.put', { name, spec: { at }, job }, / 400 .* is past/);
    if (isPut && Date.now() < Date.parse(at)) this.asked.put.set(name, at);
  }

  async #pause(): Promise<void> {
    if (this.#paused) return;
    this.#paused = true;
    await this.#client.ask('jobs.ctl.queue.pause', { queue: 'slow' });
    const from = Date.now();
    await wait(PAUSE_MS);
    this.asked.pauses.push({ from, to: Date.now() });
    await this.#client.ask('jobs.ctl.queue.resume', { queue: 'slow' });
    this.#paused = false;
  }

  /**
   * Asks until it is answered.
   * @returns false when the job's state, or the time, does not allow it any more
   */
  async #tell(subject: string, body: object, late = /: 409 /): Promise<boolean> {
    try {
      await this.#client.ask(subject, body);
      return true;
    } catch (error) {
      if (!late.test(String(error))) throw error;
      return false;
    }
  }

  #beside(work: () => Promise<void>): void {
    const under = work().finally(() => this.#later.delete(under));
    this.#later.add(under);
  }
}
