import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import { IntakeLoad } from '../support/intake-load.ts';
import { allEnded, Load, type LoadOptions, seeded } from '../support/load.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { PlainClient } from '../support/plain-client.ts';
import { isAlive, RotaProcess } from '../support/rota-process.ts';
import { brokenMessages, type RejectedEntry, type TaggedJob } from './intake-checker.ts';
import { brokenPromises } from './journey-checker.ts';

/** How long a fault may keep a test waiting, in milliseconds. */
const FAULT_MS = 30_000;
/** How long all may take to end and be told after the last life began, in milliseconds. */
const SETTLE_MS = 60_000;
/** Between two requests of a loop of the load, in milliseconds. */
const PAUSE_MS = 12;

/** Between two messages to the durable intake, in milliseconds. */
const MESSAGE_PAUSE_MS = 25;

/** What a {@link FaultyWorld} is about. */
export interface FaultyWorldOptions {
  /** The config file of the node; default: jobs of every fate. */
  config?: string;
  /** What is enqueued all the while, and how often by each of two; default: one of every fate, every 12 ms. */
  one?: LoadOptions['one'];
  pauseMs?: number;
  /** Publishes to the durable intake all the while, too. */
  intake?: boolean;
}

/** How a fault is met. */
export interface FaultOptions {
  /** Done once the node is up; then it is asked to stop, and dies on the way. */
  asked?: () => Promise<void>;
}

const program = fileURLToPath(new URL('../support/fault-node.ts', import.meta.url));
const FAST = { ROTA_LEASE: '1s', ROTA_BEAT: '250ms', ROTA_POLL: '100ms', ROTA_LEADER_LEASE: '600ms' };

/**
 * A node that dies at named points, life after life on the same data; a program that enqueues all the while and remembers
 * what was acknowledged; and one that listens. A fault is `<point>#<how many times it is passed>`.
 */
export class FaultyWorld {
  readonly client: PlainClient;
  readonly load: Load;
  readonly intake: IntakeLoad | undefined;
  readonly #rota: RotaProcess;
  readonly #env: Record<string, string>;
  readonly #interrupted = new Set<string>();
  #lives = 0;

  /** One whose node has not begun to live; ends with the test. */
  static async make(options: FaultyWorldOptions = {}): Promise<FaultyWorld> {
    const { config, intake = false } = options;
    // A server that outlives the node: nothing that was published is missed for want of a listener.
    const server = await startNatsServer({ jetStream: intake });
    onTestFinished(() => server.dispose());
    const env: Record<string, string> = { ...FAST, ROTA_GRACE: '100ms', ROTA_LOG_LEVEL: 'info' };
    const rota = await RotaProcess.make({
      program,
      nats: server.url,
      env,
      ...(config === undefined ? {} : { config }),
    });
    onTestFinished(() => rota.dispose());
    const client = await PlainClient.to(server.url);
    onTestFinished(() => client.close());
    await client.listen();
    return new FaultyWorld(rota, client, { env, options });
  }

  private constructor(
    rota: RotaProcess,
    client: PlainClient,
    { env, options: { one, pauseMs = PAUSE_MS, intake } }: { env: Record<string, string>; options: FaultyWorldOptions },
  ) {
    this.#rota = rota;
    this.client = client;
    this.#env = env;
    this.load = new Load(client, seeded(4), { pauseMs, ...(one === undefined ? {} : { one }) });
    this.intake = intake ? new IntakeLoad(client, MESSAGE_PAUSE_MS) : undefined;
  }

  /** Each life has its own: what an earlier one left behind may still pass its point. */
  get #faultFile(): string {
    return join(this.#rota.folder, `fault-${this.#lives}`);
  }

  /**
   * One life that ends at a point, which the test fails without. Its events say by their source which life they are from.
   * @param fault where it ends
   */
  async dieAt(fault: string, { asked }: FaultOptions = {}): Promise<void> {
    this.#begin(fault);
    const up = this.#rota.launch('started');
    if (asked !== undefined) {
      await up;
      await asked();
      this.#rota.signal('SIGTERM');
    }
    const exit = await inTime(this.#rota.exited, `${fault} was not passed in time`);
    expect(exit, `the node dies at ${fault}; it wrote: ${this.#rota.stray.slice(-5).join('\n')}`).toMatchObject({
      signal: 'SIGKILL',
    });
    this.#expectStruck(fault);
  }

  /**
   * One life in which a part of the node ends at a point, which it outlives: it goes on to work and stops in order.
   * @param victim the process for jobs that passes the point, or the persistence thread
   */
  async outlive(fault: string, victim: 'host' | 'persistence', { asked }: FaultOptions = {}): Promise<void> {
    this.#begin(fault, victim);
    if (victim === 'persistence') this.#interrupted.add(`/rota/${this.#env.ROTA_NODE}`);
    await inTime(this.#rota.launch('started'), 'it did not start in time');
    if (asked === undefined) await inTime(this.#struck(), `${fault} was not passed in time`);
    await (asked === undefined ? this.load.more(10) : asked());
    this.#rota.signal('SIGTERM');
    expect(await inTime(this.#rota.exited, 'it did not stop in time'), `the node outlives ${fault}`).toMatchObject({
      code: 0,
    });
    this.#expectStruck(fault);
  }

  /** Resolves when so many jobs more have completed. */
  async completed(count: number): Promise<void> {
    for (let left = count; left > 0; left -= 1) {
      await this.client.event(({ type }) => type === 'jobs.job.completed', this.client.events.length);
    }
  }

  /** A last life without a fault, in which everything ends; then all that is wrong with what was seen. */
  async settle(): Promise<string[]> {
    this.#begin('');
    await this.#rota.start();
    await this.load.more(10);
    await Promise.all([this.load.stop(), this.intake?.stop()]);
    const messages = await this.#endedMessages();
    const acknowledged = [...this.load.acknowledged, ...messages.jobs.map(({ id }) => id)];
    // Where a promise is broken this may never come about; then the checker says which.
    const over = Promise.all([allEnded(this.client, acknowledged), this.client.endsTold(acknowledged)]);
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, SETTLE_MS);
    await Promise.race([over.catch(() => {}), late.promise]).finally(() => clearTimeout(timer));
    const jobs = await Promise.all(acknowledged.map((id) => this.client.get(id).catch(() => undefined)));
    const found = jobs.filter((job) => job !== undefined);
    const { events } = this.client;
    return [
      ...brokenPromises({
        acknowledged,
        jobs: found,
        notes: this.#rota.notes(),
        events,
        interrupted: this.#interrupted,
      }),
      ...brokenMessages({ ...messages, events }),
      ...this.#leftBehind(),
    ];
  }

  /** What handlers wrote down, over all lives. */
  notes(): ReturnType<RotaProcess['notes']> {
    return this.#rota.notes();
  }

  /** The nominal times of the schedule's jobs. */
  async ticks(): Promise<string[]> {
    const filter = { schedule: 'tick', limit: 500 };
    const { jobs } = await this.client.ask<{ jobs: { schedule: { at: string } }[] }>('jobs.job.list', filter);
    return jobs.map(({ schedule }) => schedule.at);
  }

  /** What became of the messages to the durable intake, when all have ended or had time to. */
  async #endedMessages(): Promise<Omit<Parameters<typeof brokenMessages>[0], 'events'>> {
    const published = this.intake?.published ?? [];
    const until = performance.now() + SETTLE_MS;
    for (;;) {
      const jobs = published.length === 0 ? [] : await this.#pages<TaggedJob>('jobs.job.list', 'jobs');
      const rejected =
        published.length === 0 ? [] : await this.#pages<RejectedEntry>('jobs.ctl.rejected.list', 'rejected');
      const tags = new Set<string | undefined>(published.map(({ msgId }) => msgId));
      const messages = { published, jobs: jobs.filter(({ tags: [tag] }) => tags.has(tag)), rejected };
      // A message may be seen with only a part of it stored, or all of it before it is told.
      const isOver = brokenMessages({ ...messages, events: this.client.events }).length === 0;
      if (isOver || performance.now() > until) return messages;
      await wait(100);
    }
  }

  async #pages<T>(subject: string, field: string): Promise<T[]> {
    const all: T[] = [];
    for (let cursor: unknown; cursor !== null; ) {
      const page = await this.client.ask<Record<string, unknown>>(subject, {
        limit: 500,
        ...(cursor ? { cursor } : {}),
      });
      all.push(...(page[field] as T[]));
      cursor = page.cursor ?? null;
    }
    return all;
  }

  /** Processes for jobs whose node has died end, too. They noted their own number and their node's. */
  #leftBehind(): string[] {
    const { pid } = this.#rota;
    return this.#rota.notes().flatMap(({ what, id, run: parent }) => {
      const isOld = what === 'host' && parent !== pid && Number(id) !== pid;
      return isOld && isAlive(Number(id)) ? [`process ${id} outlived its node ${parent}`] : [];
    });
  }

  /** Resolves when the point was passed. */
  async #struck(): Promise<void> {
    while (!existsSync(this.#faultFile) && this.#rota.running) await wait(10);
  }

  #expectStruck(fault: string): void {
    const [point] = fault.split('#');
    expect(existsSync(this.#faultFile) && readFileSync(this.#faultFile, 'utf8'), 'it was at that point').toBe(point);
  }

  #begin(fault: string, ends = 'node'): void {
    this.#lives += 1;
    const life = `life-${this.#lives}`;
    Object.assign(this.#env, { ROTA_NODE: life, ROTA_TEST_FAULT: fault, ROTA_TEST_FAULT_FILE: this.#faultFile });
    this.#env.ROTA_TEST_FAULT_ENDS = ends;
  }
}

/** What comes in time, or an error that says what did not. */
async function inTime<T>(work: Promise<T>, complaint: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(complaint)), FAULT_MS);
  return Promise.race([work, late.promise]).finally(() => clearTimeout(timer));
}
