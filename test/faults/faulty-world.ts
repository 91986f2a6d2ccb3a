import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import { allEnded, Load, seeded } from '../support/load.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { PlainClient } from '../support/plain-client.ts';
import { RotaProcess } from '../support/rota-process.ts';
import { brokenPromises } from './journey-checker.ts';

/** How long a fault may keep a test waiting, in milliseconds. */
const FAULT_MS = 20_000;
/** How long all may take to end and be told after the last life began, in milliseconds. */
const SETTLE_MS = 20_000;
/** Between two requests of a loop of the load, in milliseconds. */
const PAUSE_MS = 12;

const program = fileURLToPath(new URL('../support/fault-node.ts', import.meta.url));
const FAST = { ROTA_LEASE: '1s', ROTA_BEAT: '250ms', ROTA_POLL: '100ms', ROTA_LEADER_LEASE: '600ms' };

/**
 * A node that dies at named points, life after life on the same data; a program that enqueues all the while and remembers
 * what was acknowledged; and one that listens. A fault is `<point>#<how many times it is passed>`.
 */
export class FaultyWorld {
  readonly client: PlainClient;
  readonly load: Load;
  readonly #rota: RotaProcess;
  readonly #env: Record<string, string>;
  #lives = 0;

  /** One whose node has not begun to live; ends with the test. */
  static async make(): Promise<FaultyWorld> {
    // A server that outlives the node: nothing that was published is missed for want of a listener.
    const server = await startNatsServer({ jetStream: false });
    onTestFinished(() => server.dispose());
    const env: Record<string, string> = { ...FAST, ROTA_GRACE: '100ms', ROTA_LOG_LEVEL: 'info' };
    const rota = await RotaProcess.make({ program, nats: server.url, env });
    onTestFinished(() => rota.dispose());
    const client = await PlainClient.to(server.url);
    onTestFinished(() => client.close());
    await client.listen();
    return new FaultyWorld(rota, client, env);
  }

  private constructor(rota: RotaProcess, client: PlainClient, env: Record<string, string>) {
    this.#rota = rota;
    this.client = client;
    this.#env = env;
    this.load = new Load(client, seeded(4), PAUSE_MS);
  }

  get #faultFile(): string {
    return join(this.#rota.folder, 'fault');
  }

  /**
   * One life that ends at a point, which the test fails without. Its events say by their source which life they are from.
   * @param fault where it ends
   * @param options.asked done once it is up; then it is asked to stop, and dies on the way
   */
  async dieAt(fault: string, options: { asked?: () => Promise<void> } = {}): Promise<void> {
    this.#begin(fault);
    const up = this.#rota.launch('started');
    if (options.asked !== undefined) {
      await up;
      await options.asked();
      this.#rota.signal('SIGTERM');
    }
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`${fault} was not passed in time`)), FAULT_MS);
    const exit = await Promise.race([this.#rota.exited, late.promise]).finally(() => clearTimeout(timer));
    const [point] = fault.split('#');
    expect(exit, `the node dies at ${fault}; it wrote: ${this.#rota.stray.slice(-5).join('\n')}`).toMatchObject({
      signal: 'SIGKILL',
    });
    expect(readFileSync(this.#faultFile, 'utf8'), 'it was at that point').toBe(point);
  }

  /** A last life without a fault, in which everything ends; then all that is wrong with what was seen. */
  async settle(): Promise<string[]> {
    this.#begin('');
    await this.#rota.start();
    await this.load.more(10);
    await this.load.stop();
    const { acknowledged } = this.load;
    // Where a promise is broken this may never come about; then the checker says which.
    const over = Promise.all([allEnded(this.client, acknowledged), this.client.endsTold(acknowledged)]);
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, SETTLE_MS);
    await Promise.race([over.catch(() => {}), late.promise]).finally(() => clearTimeout(timer));
    const jobs = await Promise.all(acknowledged.map((id) => this.client.get(id).catch(() => undefined)));
    const found = jobs.filter((job) => job !== undefined);
    return brokenPromises({ acknowledged, jobs: found, notes: this.#rota.notes(), events: this.client.events });
  }

  /** The nominal times of the schedule's jobs. */
  async ticks(): Promise<string[]> {
    const filter = { schedule: 'tick', limit: 500 };
    const { jobs } = await this.client.ask<{ jobs: { schedule: { at: string } }[] }>('jobs.job.list', filter);
    return jobs.map(({ schedule }) => schedule.at);
  }

  #begin(fault: string): void {
    this.#lives += 1;
    const life = `life-${this.#lives}`;
    Object.assign(this.#env, { ROTA_NODE: life, ROTA_TEST_FAULT: fault, ROTA_TEST_FAULT_FILE: this.#faultFile });
  }
}
