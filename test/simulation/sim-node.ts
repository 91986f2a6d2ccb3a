import { errorText } from '../../src/kernel/error.ts';
import { uuidSource } from '../../src/kernel/identity.ts';
import type { Logger } from '../../src/kernel/log.ts';
import type { MemoryBroker } from '../../src/messaging/memory/memory-broker.ts';
import type { JobStore } from '../../src/store/job-store.ts';
import { startVirtualNode, type VirtualClock, type VirtualNode } from '../../src/testing/testing.ts';
import { Chance, streamOf } from './chance.ts';
import type { Handlers } from './handlers.ts';
import type { PlantedBug } from './mutations/mutation.ts';
import { NodeStore, type StoreTrouble } from './node-store.ts';
import type { NodePlan, Version } from './plan.ts';
import type { Sightings } from './sightings.ts';
import { SimBus } from './sim-bus.ts';
import type { SimDatabase } from './sim-database.ts';
import { simConfig } from './sim-jobs.ts';
import { SimProcess } from './sim-process.ts';
import type { Trace } from './trace.ts';

/** What all nodes of a world share. */
export interface NodeWorld {
  seed: number;
  clock: VirtualClock;
  broker: MemoryBroker;
  database: SimDatabase;
  trace: Trace;
  sightings: Sightings;
  handlers: Handlers;
  storeLatencyMs: number;
  syncMs: number;
  scheduleEndAt: number;
  mutation: PlantedBug | undefined;
}

/**
 * Settings of every node. The product's own times by four: what matters is how they stand to each other, and more of the
 * world's time passes in a second.
 */
/** How long a worker without a sign of life is not yet dead, in milliseconds. */
export const LEASE_MS = 120_000;
const SETTINGS = { lease: `${LEASE_MS}ms`, beat: '20s', poll: '4s', leaderLease: '60s', grace: '5s', keep: '365d' };
/** How long whoever runs a node waits before it starts it again, in milliseconds. */
const AGAIN_MS = 1_500;

/** One node and its lives: whoever runs it starts it again when it ends, until it is told to stay down. */
export class SimNode {
  readonly plan: NodePlan;
  readonly trouble: StoreTrouble = { failing: false, lostAnswers: 0, stalledUntilMs: 0 };
  readonly #world: NodeWorld;
  #version: Version = 'a';
  #lives = 0;
  #wanted = true;
  #process: SimProcess | undefined;
  #node: VirtualNode | undefined;
  #store: NodeStore | undefined;
  #jumpedMs = 0;
  #abandoned = false;

  constructor(plan: NodePlan, world: NodeWorld) {
    this.plan = plan;
    this.#world = world;
  }

  /** It is not started again, and nobody waits for it. */
  get abandoned(): boolean {
    return this.#abandoned;
  }

  /** Begins a life. The start may take any time, and fail: then it is tried again. */
  start(version: Version = this.#version): void {
    this.#version = version;
    this.#wanted = true;
    this.#lives += 1;
    const { plan } = this;
    const { clock: world, trace } = this.#world;
    const clock = { skewMs: plan.skewMs + this.#jumpedMs, rate: plan.rate };
    const life = `${plan.name}.${this.#lives}`;
    const process = new SimProcess(life, world, { clock, onKilled: () => this.#killed(process) });
    this.#process = process;
    trace.add(life, `starts as version ${version}`);
    this.#boot(process).then(
      (node) => this.#started(process, node),
      (error: unknown) => this.#ended(process, `did not start: ${errorText(error)}`),
    );
  }

  /** Ends its life at once, or before so many further outputs; then it is started again as a version. */
  kill(afterPasses: number, version: Version): void {
    this.#version = version;
    this.#process?.kill(afterPasses);
  }

  /** It is not started again. */
  abandon(): void {
    this.#wanted = false;
    this.#abandoned = true;
  }

  freeze(): void {
    this.#process?.freeze();
  }

  thaw(): void {
    this.#process?.thaw();
  }

  /** Its wall clock jumps, and stays so in later lives. */
  jump(ms: number): void {
    this.#jumpedMs += ms;
    this.#process?.jump(ms);
  }

  /** Stops it for good, in order; resolves when it has ended, and never when it is killed meanwhile. */
  stop(): Promise<void> {
    this.#wanted = false;
    return this.#stopLife();
  }

  /** Stops it in order, then starts it as a version. */
  restart(version: Version): void {
    this.#version = version;
    void this.#stopLife();
  }

  /** Ends what is left of it without a word. */
  discard(): void {
    this.#wanted = false;
    this.#process?.kill();
  }

  /** Makes a part of it fail, so that its supervisor decides. False: there is no such part now. */
  crash(path: readonly string[]): boolean {
    let supervisor = this.#node?.world.root();
    for (const id of path.slice(0, -1)) supervisor = supervisor?.supervisor(id);
    const actor = supervisor?.child(path.at(-1) ?? '');
    if (actor === undefined) return false;
    this.#world.handlers.crashed(this.#process?.name ?? '');
    // A real one is a thread, which is gone.
    if (path[0] === 'persistence') this.#store?.lose();
    actor.send({ type: 'failed', error: new Error('a simulated crash') });
    return true;
  }

  async #stopLife(): Promise<void> {
    const process = this.#process;
    const node = this.#node;
    if (process === undefined || node === undefined) return process?.kill();
    this.#node = undefined;
    await node.rota.stop();
    const { timers } = process;
    this.#world.trace.add(process.name, 'has stopped');
    if (timers > 0) this.#world.handlers.complain('nothing is left', process.name, `${timers} timers after its stop`);
    process.kill();
  }

  #boot(process: SimProcess): Promise<VirtualNode> {
    const { seed, broker, handlers, scheduleEndAt, mutation } = this.#world;
    const random = streamOf(seed, process.name);
    const newId = uuidSource(process.clock, streamOf(seed, `${process.name} handlers`));
    const bus = (options: Parameters<MemoryBroker['connect']>[0]): SimBus => {
      const endpoint = broker.connect(options);
      this.#leave = () => void endpoint.close();
      return new SimBus(mutation?.bus?.(endpoint) ?? endpoint, process);
    };
    const chance = new Chance(streamOf(seed, `${process.name} store`));
    const { name, roles, route } = this.plan;
    return startVirtualNode(simConfig(this.#version, scheduleEndAt), {
      ...{ clock: process.clock, random, log: this.#logger(process.name) },
      broker: { connect: bus },
      openStore: () => this.#openStore(process, chance),
      services: { watcher: handlers.watcher(process, newId) },
      settings: { ...SETTINGS, node: name, roles: roles.join(','), route },
    });
  }

  #openStore(process: SimProcess, chance: Chance): JobStore {
    const { clock: world, broker, database, handlers, storeLatencyMs, syncMs, sightings, mutation } = this.#world;
    const store = new NodeStore({
      ...{ process, database, world, chance, trouble: this.trouble, latencyMs: storeLatencyMs, syncMs },
      onSpin: (words) => handlers.complain('everybody rests', process.name, words),
      onFault: (what) => sightings.saw(`fault ${what}`),
      onEarly: () => sightings.saw('begun before it was durable'),
    });
    this.#store = store;
    return mutation?.nodeStore?.(store, { process, database, world, broker }) ?? store;
  }

  #leave: () => void = () => {};

  #started(process: SimProcess, node: VirtualNode): void {
    if (process.dead) return;
    this.#node = node;
    node.rota.ended.then((how) => {
      if (how === 'gave-up') this.#ended(process, 'gave up');
    });
  }

  #ended(process: SimProcess, why: string): void {
    if (process.dead) return;
    this.#world.trace.add(process.name, why);
    process.kill();
  }

  #killed(process: SimProcess): void {
    const { trace, clock, handlers } = this.#world;
    trace.add(process.name, 'is dead');
    handlers.died(process.name);
    this.#leave();
    if (this.#process === process) {
      this.#process = undefined;
      this.#node = undefined;
    }
    clock.setTimeout(() => {
      if (this.#wanted && this.#process === undefined) this.start();
    }, AGAIN_MS);
  }

  #logger(life: string): Logger {
    const { trace, sightings } = this.#world;
    const note = (level: string, fields: object, message: string): void => {
      if (message === 'gave-up') sightings.saw('supervisor gave up');
      trace.add(`${life} ${level}`, `${message} ${JSON.stringify(fields)}`);
    };
    const logger: Logger = {
      debug: () => {},
      info: (fields, message) => note('info', fields, message),
      warn: (fields, message) => note('warn', fields, message),
      error: (fields, message) => note('error', fields, message),
      child: () => logger,
    };
    return logger;
  }
}
