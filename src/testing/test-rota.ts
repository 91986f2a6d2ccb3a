import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { storeClient } from '../actors/store-client.ts';
import type { SchedulerConfig } from '../app/configuration.ts';
import type { Rota } from '../app/rota.ts';
import type { World } from '../app/world.ts';
import type { Enqueued } from '../client/enqueue-batcher.ts';
import type { ReceivedEvent } from '../client/event-stream.ts';
import { durationOption, type JobTypeRef } from '../client/job-body.ts';
import type { RotaClient } from '../client/rota-client.ts';
import type { AnyJobDefinition, ArgsOf, EnqueueOptions, JobDefinition, Services } from '../job/definition.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Duration } from '../kernel/duration.ts';
import { RotaError } from '../kernel/error.ts';
import type { Logger } from '../kernel/log.ts';
import type { CloudEvent } from '../messaging/contract/event.ts';
import type { JobView } from '../messaging/contract/job-view.ts';
import { MemoryBroker } from '../messaging/memory/memory-broker.ts';
import { openSqliteStore } from '../store/sqlite/sqlite-store.ts';
import { SupervisorError } from '../supervisor/supervisor.ts';
import { EagerClock } from './eager-clock.ts';
import { GatedStore } from './gated-store.ts';
import { HandlerClock } from './handler-clock.ts';
import { HandlerWatch } from './handler-watch.ts';
import { LogBook, type LogLine } from './log-book.ts';
import { type DrainCounts, Passage, type RunOptions } from './passage.ts';
import { type Performed, type PerformOptions, perform } from './perform.ts';
import { seededRandom } from './seeded-random.ts';
import { VirtualClock } from './virtual-clock.ts';
import { startVirtualNode } from './virtual-node.ts';
import { type WaitingFilter, waitingJobs } from './waiting-jobs.ts';

/** What {@link testRota} takes. */
export interface TestRotaOptions {
  /** When virtual time begins: a Date, RFC 3339 text, or milliseconds since the epoch. Default 2026-01-01 in UTC. */
  now?: Date | string | number;
  /** What ids and jitter come from; the same seed gives the same run. Default 1. */
  seed?: number;
  /** Instead of the config's; what a function makes is closed at the stop. */
  services?: Services | ((kit: { clock: Clock; dataFolder: string }) => Services | Promise<Services>);
  /** Settings of `start`, which beat the config's and the kit's own: it keeps every job, and no lease ever ends. */
  settings?: Readonly<Record<string, unknown>>;
  /** Is told what the node and its handlers log, as well. */
  logger?: Logger;
  /** Where path patterns in `jobs` begin; default the working folder. */
  configFolder?: string;
  /** How long a handler may wait for something real (a file, a socket), in real milliseconds. Default 5,000. */
  patienceMs?: number;
}

const PATIENCE_MS = 5_000;
const EVENTS_MAX = 100_000;
const STAGE_LIMIT = 1_000;

/**
 * Leases, and what is kept, outlast any test. Polls and beats may be short, for a leap of time fires each of them once;
 * beats are the shorter ones, so that nobody is forgotten in a long leap before he has said that he lives.
 */
const LASTING = { lease: '36000d', leaderLease: '36000d', keep: '36000d', poll: '1s', beat: '500ms', grace: '1s' };

/**
 * Starts a whole node for a test: one process, virtual time, a bus and a store in memory. Nothing runs until
 * {@link TestRota.drain} or {@link TestRota.advance} is called.
 * @param config what `defineScheduler` returns, or a part of it
 * @throws RotaError `invalid_config` with every mistake and its place
 */
export async function testRota(config: SchedulerConfig, options: TestRotaOptions = {}): Promise<TestRota> {
  const { seed = 1, services, settings, logger, configFolder, patienceMs = PATIENCE_MS } = options;
  const clock = new VirtualClock(startOf(options.now));
  const random = seededRandom(seed);
  const log = new LogBook(logger);
  const eager = new EagerClock(clock);
  const handlerClock = new HandlerClock(eager, () => watch.stir());
  const store = openSqliteStore({ path: ':memory:', random });
  const gate = new GatedStore(store, (facts) => passage.note(facts));
  const watch = new HandlerWatch({ clock, patienceMs, timeoutOf: (id, run) => gate.takeTimeout(id, run) });
  const made = typeof services === 'function' ? services : undefined;
  const folder = made !== undefined || services === undefined ? ownFolder(config, made !== undefined) : undefined;
  const dataFolder = folder ?? tmpdir();
  const passage = new Passage({
    ...{ clock, handlerClock, gate, watch },
    stage: async () => (await storeOf(node.world).ask('stage', { now: clock.now(), limit: STAGE_LIMIT })).nextAt,
    nextTickAt: () => nextTickAt(node.world),
  });
  const starting = startVirtualNode(
    made === undefined ? config : { ...config, services: () => made({ clock: handlerClock, dataFolder }) },
    {
      ...{ clock: eager, random, log, configFolder },
      broker: new MemoryBroker({ clock: eager, random }),
      openStore: () => gate,
      services: typeof services === 'function' ? undefined : services,
      settings: { ...LASTING, data: dataFolder, ...settings },
      definition: (definition) => watch.watched(definition),
    },
  );
  const node = await starting.catch(async (error: unknown) => {
    await store.close();
    removeFolder(folder);
    throw innermost(error);
  });
  const parts = { ...node, clock: handlerClock, log, passage, patienceMs };
  const rota = new TestRota({ ...parts, afterStop: () => removeFolder(folder) });
  await clock.advance(0);
  return rota;
}

/** What a {@link TestRota} is made of. */
export interface TestRotaParts {
  rota: Rota;
  world: World;
  clock: HandlerClock;
  log: LogBook;
  passage: Passage;
  patienceMs: number;
  afterStop(): void;
}

/** A node under test. Jobs wait until {@link drain} or {@link advance} runs them; time stands until it is advanced. */
export class TestRota {
  readonly #parts: TestRotaParts;
  #stopped: Promise<void> | undefined;
  /** As `rota.client` of a running node. What waits for a job (`wait`) ends only when the test runs it. */
  readonly client: RotaClient;
  /** Virtual time. Services that keep time by it sleep no longer than the test says. */
  readonly clock: Clock;
  /** Every event so far, oldest first: of jobs, schedules, queues, the node. The last 100,000. */
  readonly events: readonly ReceivedEvent[];
  /** What the node and its handlers logged, oldest first. */
  readonly logs: readonly LogLine[];

  constructor(parts: TestRotaParts) {
    const { rota, world, clock, log } = parts;
    const events: ReceivedEvent[] = [];
    this.#parts = parts;
    this.client = rota.client;
    this.clock = clock;
    this.events = events;
    this.logs = log.lines;
    world.route.subscribe(world.subjects.events(), {}, ({ subject, body }) => {
      if (events.length >= EVENTS_MAX) events.splice(0, EVENTS_MAX / 10);
      // Nobody but our own actors publishes here, and they publish events.
      events.push({ ...(body.value as CloudEvent), natsSubject: subject });
    });
  }

  /** Enqueues a job, as a client does: checked and stored. It waits. @throws RotaError what it was refused with */
  enqueue<T extends JobTypeRef>(type: T, args?: ArgsOf<T>, options: EnqueueOptions = {}): Promise<Enqueued> {
    return this.client.enqueue(type, args, options);
  }

  /**
   * Runs a handler alone, without queue or store; what it enqueues waits.
   * @param type its definition, or the name of one in the config
   * @throws RotaError `invalid_args`, `unknown_type`; Error when the handler never ends
   */
  async perform<Args, Input = Args>(
    type: string | JobDefinition<Args, Input>,
    args?: unknown,
    options: PerformOptions = {},
  ): Promise<Performed> {
    const { world, clock, patienceMs } = this.#parts;
    const { newId, configuration } = world;
    const definition: AnyJobDefinition | undefined =
      typeof type === 'string' ? configuration.definitions.get(type) : type;
    if (definition === undefined) throw new RotaError('unknown_type', `the config names no type "${String(type)}"`);
    const services = await world.services();
    const isAwaited = (): boolean => clock.nextDueMs !== undefined;
    const { enqueue } = this.client;
    return perform({ definition, args, options }, { clock, newId, services, enqueue, patienceMs, isAwaited });
  }

  /**
   * Runs every job that is due now, and those that they enqueue, until none is left. Time stands.
   * @param options `withScheduled` also runs what is scheduled, snoozed or waits for a retry: time leaps to each
   * @returns how the attempts ended
   * @throws Error when a handler never ends
   */
  drain(options: RunOptions & { withScheduled?: boolean } = {}): Promise<DrainCounts> {
    return this.#parts.passage.drain(options);
  }

  /**
   * Lets time pass. Schedules that come due fire; jobs, retries and time-outs happen exactly at their time.
   * @param duration `"15m"`, or milliseconds
   * @returns how the attempts ended
   * @throws Error when a handler never ends; RotaError `invalid_request` when it is no duration
   */
  async advance(duration: Duration, options: RunOptions = {}): Promise<DrainCounts> {
    return this.#parts.passage.advance(durationOption(duration, 'the time to advance'), options);
  }

  /** Jobs that wait (available, scheduled or retryable) and fit, in the order in which they were enqueued. */
  enqueued(filter: WaitingFilter = {}): Promise<JobView[]> {
    return waitingJobs(this.client, filter);
  }

  /** One job as it is. @throws RotaError `not_found` */
  job(id: string): Promise<JobView> {
    return this.client.get(id);
  }

  /** Stops the node as a real one is stopped, in no real time, and closes the services that the config made. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** For `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    const { rota, passage, afterStop } = this.#parts;
    try {
      await passage.see(rota.stop());
    } finally {
      afterStop();
    }
  }
}

const storeOf = ({ route, subjects }: World) => storeClient(route, subjects);

/** When the next tick of any schedule is due, in milliseconds since the epoch. One that is due now is under way. */
async function nextTickAt({ client, clock }: World): Promise<number | undefined> {
  const schedules = await client.schedules.list();
  const times = schedules.flatMap(({ nextAt }) => (typeof nextAt === 'string' ? Date.parse(nextAt) : []));
  const later = times.filter((at) => at > clock.now());
  return later.length > 0 ? Math.min(...later) : undefined;
}

/** What made a start fail, without the supervisors that passed it on. */
function innermost(error: unknown): unknown {
  return error instanceof SupervisorError && error.cause !== undefined ? innermost(error.cause) : error;
}

function startOf(now: Date | string | number | undefined): number | undefined {
  if (now === undefined) return undefined;
  const ms = new Date(now).getTime();
  if (Number.isNaN(ms)) throw new RotaError('invalid_request', `now is no time: ${JSON.stringify(now)}`);
  return ms;
}

/** A data folder for services that are made for this test. */
function ownFolder(config: SchedulerConfig, made: boolean): string | undefined {
  const needed = made || typeof config?.services === 'function';
  return needed ? mkdtempSync(join(tmpdir(), 'rota-test-')) : undefined;
}

function removeFolder(folder: string | undefined): void {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
}
