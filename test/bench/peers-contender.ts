import { PeerProcess } from './peers-process.ts';
import { cpuMsOf } from './process-cpu.ts';

/** One way to run a system: the program, its settings, and the producer's where that is a process of its own. */
export interface Setup {
  /** What is said of it in the output. */
  label: string;
  program: string;
  settings: Record<string, unknown>;
  /** Left out: the process that runs handlers enqueues too. */
  producer?: Record<string, unknown>;
  /** Process numbers of servers that work for it and are no children of its processes. */
  servers: readonly number[];
}

/** What one measure of the whole way cost. */
export interface EndToEnd {
  perSecond: number;
  /** CPU of all its processes and servers for one job, in microseconds; NaN where the machine does not tell. */
  cpuUs: number;
}

/** Jobs from the enqueue call to the handler's start, in milliseconds. */
export interface Waits {
  p50Ms: number;
  p99Ms: number;
}

/** A system under test: running processes, measured from outside by one clock. */
export class Contender {
  readonly setup: Setup;
  readonly #consumer: PeerProcess;
  readonly #producer: PeerProcess;

  /** @throws PeerRefused when it cannot be opened */
  static async start(setup: Setup): Promise<Contender> {
    const consumer = await PeerProcess.start(setup.program, setup.settings);
    if (setup.producer === undefined) return new Contender(setup, consumer, consumer);
    try {
      return new Contender(setup, consumer, await PeerProcess.start(setup.program, setup.producer));
    } catch (error) {
      consumer.kill();
      throw error;
    }
  }

  private constructor(setup: Setup, consumer: PeerProcess, producer: PeerProcess) {
    this.setup = setup;
    this.#consumer = consumer;
    this.#producer = producer;
  }

  /** Product and version. */
  get name(): string {
    return this.#consumer.name;
  }

  /**
   * Bulk enqueue while handlers run, until the server says that all is complete.
   * @throws Error when a job was lost or ran twice
   */
  async endToEnd(jobs: number): Promise<EndToEnd> {
    await this.#prepare(jobs);
    if (this.#producer !== this.#consumer) await this.#producer.ask({ do: 'expect', jobs });
    const processes = [this.#consumer.pid, this.#producer.pid, ...this.setup.servers];
    const [startedMs, cpuMs] = [performance.now(), cpuMsOf(processes)];
    const [handled] = await Promise.all([
      this.#consumer.ask({ do: 'handled' }),
      this.#producer.ask({ do: 'enqueueAll', jobs }),
    ]);
    const [tookMs, usedMs] = [performance.now() - startedMs, cpuMsOf(processes) - cpuMs];
    if (handled?.jobs !== jobs || handled.again !== 0)
      throw new Error(`${this.setup.label}: ${handled?.jobs} of ${jobs} jobs ran, ${handled?.again} once more`);
    return { perSecond: (jobs * 1_000) / tookMs, cpuUs: (usedMs * 1_000) / jobs };
  }

  /** Single enqueues, each acknowledged, while nobody works; jobs per second. */
  async singleEnqueue(jobs: number, inFlight: number): Promise<number> {
    await this.#consumer.ask({ do: 'rest' });
    await this.#consumer.ask({ do: 'clear' });
    const startedMs = performance.now();
    await this.#producer.ask({ do: 'enqueueEach', jobs, inFlight });
    const tookMs = performance.now() - startedMs;
    await this.#consumer.ask({ do: 'clear' });
    return (jobs * 1_000) / tookMs;
  }

  /** Enqueues at a steady rate; how long each job waited, in milliseconds. */
  async waits(jobs: number, perSecond: number): Promise<number[]> {
    await this.#prepare(jobs);
    const [handled] = await Promise.all([
      this.#consumer.ask({ do: 'handled' }),
      this.#producer.ask({ do: 'enqueueSteadily', jobs, perSecond }),
    ]);
    return handled?.waitsMs ?? [];
  }

  /** Lets its processes end in order. */
  async close(): Promise<void> {
    if (this.#producer !== this.#consumer) await this.#producer.close();
    await this.#consumer.close();
  }

  /** Ends them at once, where the bench has failed. */
  kill(): void {
    this.#producer.kill();
    this.#consumer.kill();
  }

  async #prepare(jobs: number): Promise<void> {
    await this.#consumer.ask({ do: 'clear' });
    await this.#consumer.ask({ do: 'expect', jobs });
    await this.#consumer.ask({ do: 'work' });
  }
}

/** The middle and the 99th of a hundred. */
export function spread(waitsMs: readonly number[]): Waits {
  const sorted = waitsMs.toSorted((a, b) => a - b);
  const at = (part: number): number => Number((sorted[Math.floor(sorted.length * part)] ?? Number.NaN).toFixed(2));
  return { p50Ms: at(0.5), p99Ms: at(0.99) };
}
