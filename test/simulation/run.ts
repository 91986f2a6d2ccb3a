import { isTerminal } from '../../src/job/state.ts';
import type { CloudEvent } from '../../src/messaging/contract/event.ts';
import { Subjects } from '../../src/messaging/subjects.ts';
import { MemoryBroker, VirtualClock } from '../../src/testing/testing.ts';
import { streamOf } from './chance.ts';
import { CommitChecks } from './commit-checks.ts';
import { checkEnd } from './end-checks.ts';
import { FaultScript, OBSERVER, SILENT_MS_MAX } from './fault-script.ts';
import { Handlers } from './handlers.ts';
import type { Complain } from './job-history.ts';
import { Load } from './load.ts';
import type { PlantedBug } from './mutations/mutation.ts';
import type { Plan } from './plan.ts';
import { Sightings } from './sightings.ts';
import { SimDatabase } from './sim-database.ts';
import { QUEUE_LIMITS } from './sim-jobs.ts';
import { SimNode } from './sim-node.ts';
import { Trace } from './trace.ts';

/** One promise that was broken. */
export interface Broken {
  rule: string;
  /** A job's id, a schedule, a life of a node. */
  about: string;
  words: string;
  atMs: number;
}

/** What came of a run. */
export interface RunResult {
  plan: Plan;
  broken: Broken[];
  fingerprint: string;
  trace: Trace;
  sightings: Sightings;
  /** How much time passed in the world and on the machine, in milliseconds. */
  simulatedMs: number;
  realMs: number;
  /** How long the machine worked on it: says more than `realMs` where others use the machine too. */
  cpuMs: number;
  jobs: number;
  /** Messages that crossed the broker. */
  messages: number;
}

/** How long all may take to come to rest after the last fault, in milliseconds of the world. */
const REST_MS_MAX = 30 * 60_000;
const LOOK_MS = 20_000;
/** So long after the last fault ticks may still come, in milliseconds: a lead that nobody has any more is waited out first. */
const LAST_TICKS_MS = 90_000;
/** Broken promises of one run that are kept: the first ones are the telling ones. */
const BROKEN_MAX = 50;
/** Schedules end this long after the load does, in milliseconds. */
const SCHEDULES_END_MS = 5_000;

/** What a run may have beyond its plan. */
export interface RunOptions {
  /** A bug that is planted. */
  mutation?: PlantedBug;
  /** Goes no further once a promise is broken. */
  untilBroken?: boolean;
}

/** Runs the world of a plan to its end. The same plan gives the same run. */
export async function runPlan(plan: Plan, { mutation, untilBroken = false }: RunOptions = {}): Promise<RunResult> {
  const began = performance.now();
  const cpuBefore = process.cpuUsage();
  // Faults throw errors by the thousand; where one was made is found by running its seed again.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  const world = new SimWorld(plan, mutation);
  try {
    await world.run(untilBroken);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  const { user, system } = process.cpuUsage(cpuBefore);
  const { broken, trace, sightings, clock, checks } = world;
  return {
    ...{ plan, broken, trace, sightings, fingerprint: trace.fingerprint() },
    simulatedMs: clock.monotonicMs(),
    realMs: performance.now() - began,
    cpuMs: (user + system) / 1000,
    jobs: checks.history.jobs.size,
    messages: world.messages,
  };
}

class SimWorld {
  readonly plan: Plan;
  readonly clock: VirtualClock;
  readonly trace: Trace;
  readonly sightings = new Sightings();
  readonly broken: Broken[] = [];
  readonly checks: CommitChecks;
  readonly #broker: MemoryBroker;
  readonly #database: SimDatabase;
  readonly #handlers: Handlers;
  readonly #load: Load;
  readonly #nodes: Map<string, SimNode>;
  readonly #told = new Set<string>();
  readonly #scheduleEndAt: number;

  constructor(plan: Plan, mutation: PlantedBug | undefined) {
    const { seed, startAt, activeMs, storeLatencyMs, syncMs, clocksDiffer } = plan;
    const clock = new VirtualClock(startAt);
    const trace = new Trace(() => clock.monotonicMs());
    const complain: Complain = (rule, about, words) => {
      trace.add('broken', `${rule}: ${about} ${words}`);
      if (this.broken.length < BROKEN_MAX) this.broken.push({ rule, about, words, atMs: clock.monotonicMs() });
    };
    this.plan = plan;
    this.clock = clock;
    this.trace = trace;
    this.#broker = new MemoryBroker({ clock, random: streamOf(seed, 'broker') });
    this.#database = new SimDatabase({
      ...{ clock, random: streamOf(seed, 'store'), shared: plan.topology === 'shared', mutation },
      onTakenOver: () => this.sightings.saw('store taken over'),
    });
    const { sightings } = this;
    this.#handlers = new Handlers(trace, complain);
    this.checks = new CommitChecks({
      ...{ database: this.#database, trace, sightings, handlers: this.#handlers, complain, clocksDiffer },
      timeMs: () => clock.monotonicMs(),
      doubtMs: 4 * storeLatencyMs,
    });
    this.#database.listen(this.checks);
    this.#scheduleEndAt = startAt + activeMs + SCHEDULES_END_MS;
    const bus = this.#broker.connect({ name: 'client', subjects: new Subjects('jobs') });
    const [handlers, broker, database] = [this.#handlers, this.#broker, this.#database];
    this.#load = new Load({
      seed,
      clock,
      bus,
      history: this.checks.history,
      handlers,
      trace,
      complain,
      endAt: this.#scheduleEndAt,
    });
    const shared = { seed, clock, broker, database, trace, sightings, handlers, storeLatencyMs, syncMs, mutation };
    const scheduleEndAt = this.#scheduleEndAt;
    this.#nodes = new Map(plan.nodes.map((node) => [node.name, new SimNode(node, { ...shared, scheduleEndAt })]));
    this.#observe(complain);
  }

  get messages(): number {
    return this.#broker.carried;
  }

  async run(untilBroken: boolean): Promise<void> {
    const { plan, clock, trace, sightings } = this;
    const script = new FaultScript({ plan, clock, broker: this.#broker, nodes: this.#nodes, trace, sightings });
    for (const node of this.#nodes.values()) node.start();
    script.start();
    this.#load.start(plan.phases);
    while (clock.monotonicMs() < plan.activeMs) {
      await clock.advance(Math.min(LOOK_MS, plan.activeMs - clock.monotonicMs()));
      if (untilBroken && this.broken.length > 0) return;
    }
    this.#load.stop();
    script.healAll();
    this.#lift();
    this.#upgradeAll();
    await this.#rest();
    await this.#end();
  }

  /** Nothing is paused or limited any more. */
  #lift(): void {
    this.#load.liftAll(Object.keys(QUEUE_LIMITS)).catch(() => {});
  }

  /** The last deployment: what only the new version knows can run, too. */
  #upgradeAll(): void {
    for (const node of this.#nodes.values()) if (!node.abandoned) node.restart('b');
  }

  /** Lets time pass until nothing is left to do, or too much of it has. */
  async #rest(): Promise<void> {
    const { clock, checks, plan } = this;
    // Where a clock was set back, its node's schedules end that much later.
    const backMs = plan.faults.reduce((ms, fault) => (fault.kind === 'jump' ? ms - Math.min(0, fault.byMs) : ms), 0);
    // A node that froze for good is given its share of requests until the broker drops it; then the others get on.
    const frozenAt = plan.faults.flatMap(({ kind, atMs, forMs }) =>
      kind === 'freeze' && forMs === Number.POSITIVE_INFINITY ? [atMs] : [],
    );
    const droppedAt = Math.max(0, ...frozenAt.map((atMs) => atMs + SILENT_MS_MAX));
    const until = clock.monotonicMs() + REST_MS_MAX;
    const settled = (): boolean =>
      this.#load.idle && [...checks.history.jobs.values()].every(({ state, deleted }) => deleted || isTerminal(state));
    // Schedules that only end with the world, and what an outage left to be announced, come first.
    await clock.advance(Math.max(0, droppedAt - clock.monotonicMs()) + LAST_TICKS_MS + backMs);
    // What a node was asked to do before it froze it did when it thawed, perhaps after it was lifted.
    this.#lift();
    while (clock.monotonicMs() < until && !settled()) await clock.advance(LOOK_MS);
    await clock.advance(30_000);
  }

  async #end(): Promise<void> {
    const { clock, checks } = this;
    const complain: Complain = (...said) => this.#handlers.complain(...said);
    const stops = [...this.#nodes.values()].filter(({ abandoned }) => !abandoned).map((node) => node.stop());
    let stopped = false;
    Promise.all(stops).then(() => {
      stopped = true;
    });
    await clock.advance(60_000);
    if (!stopped) complain('nodes stop', 'nodes', 'a node has not stopped within a minute');
    for (const node of this.#nodes.values()) node.discard();
    await clock.advance(10_000);
    await checkEnd({
      ...{ database: this.#database, checks, load: this.#load, handlers: this.#handlers, told: this.#told, complain },
      ...{ scheduleEndAt: this.#scheduleEndAt, now: clock.now(), clocksDiffer: this.plan.clocksDiffer },
    });
    if (clock.pending > 0) complain('nothing is left', 'timers', `${clock.pending} timers wait after the end`);
    this.#database.close();
  }

  /** Hears everything that is told: an end that was told must have been committed. */
  #observe(complain: Complain): void {
    const subjects = new Subjects('jobs');
    const bus = this.#broker.connect({ name: OBSERVER, subjects });
    this.#broker.setFaults({}, { to: OBSERVER });
    bus.subscribe(subjects.events(), {}, ({ body }) => {
      // Only nodes publish here, and they publish events.
      const { type, data, id, subject } = body.value as CloudEvent;
      const what = type.slice('jobs.job.'.length);
      this.trace.add('event', `${type} ${subject} ${id}`);
      if (type === 'jobs.supervisor.gave-up') this.sightings.saw('supervisor gave up');
      if (!type.startsWith('jobs.job.') || !['completed', 'cancelled', 'discarded'].includes(what)) return;
      const end = `${String(data.id)} ${id.split(':')[1]} ${what}`;
      this.#told.add(end);
      if (!this.checks.history.ends.has(end))
        complain('settle, then tell', String(data.id), `"${end}" was told before it was so`);
    });
  }
}
