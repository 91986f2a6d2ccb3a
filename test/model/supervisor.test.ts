import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type AnyActorLogic, createMachine, fromCallback } from 'xstate';
import { type ChildSpec, type Supervisor, startSupervisor, supervisor } from '../../src/supervisor/supervisor.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

/** A run that failed is repeated with `SEED=<what it printed>`. */
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const RUNS = Number(process.env.RUNS ?? 3000);

type How = 'crash' | 'finish' | 'kill';

interface PlanChild {
  id: string;
  restart: 'permanent' | 'transient' | 'temporary';
  significant: boolean;
  shutdown: 'brutal_kill' | 5000 | 'infinity';
  below: Plan | undefined;
}

interface Plan {
  strategy: 'one_for_one' | 'one_for_all' | 'rest_for_one';
  intensity: number;
  periodSeconds: number;
  autoShutdown: 'never' | 'any_significant' | 'all_significant';
  children: PlanChild[];
}

/** `at` is the path of a supervisor, `id` one of its children. */
type Op =
  | { do: How; at: string; id: string }
  | { do: 'both'; at: string; id: string; how: How; otherId: string; otherHow: How }
  | { do: 'fail'; at: string; id: string; times: number }
  | { do: 'start'; at: string; child: PlanChild }
  | { do: 'terminate' | 'restart' | 'delete'; at: string; id: string }
  | { do: 'step'; ms: number };

/** How often the next starts of a child fail, by path. */
type Fails = Map<string, number>;

const mustFail = (fails: Fails, path: string): boolean => {
  const times = fails.get(path) ?? 0;
  if (times > 0) fails.set(path, times - 1);
  return times > 0;
};

// ---- The model: the rules in their plainest form, everything at once, nothing asynchronous. ----

interface ModelChild extends PlanChild {
  running: boolean;
  starts: number;
  sup: ModelSupervisor | undefined;
}

class ModelSupervisor {
  alive = true;
  children: ModelChild[] = [];
  restarts: number[] = [];
  readonly path: string;
  readonly plan: Plan;
  readonly fails: Fails;

  constructor(path: string, plan: Plan, fails: Fails) {
    this.path = path;
    this.plan = plan;
    this.fails = fails;
  }

  startAll(): boolean {
    this.children = this.plan.children.map((child) => ({ ...child, running: false, starts: 0, sup: undefined }));
    return this.children.every((child) => this.start(child));
  }

  start(child: ModelChild): boolean {
    const path = `${this.path}/${child.id}`;
    if (mustFail(this.fails, path)) return false;
    if (child.below) {
      child.sup = new ModelSupervisor(path, child.below, this.fails);
      if (!child.sup.startAll()) return false;
    }
    child.running = true;
    child.starts += 1;
    return true;
  }

  end(): void {
    this.alive = false;
    this.children = [];
  }

  /** The child ended by itself. Answers nothing; afterwards this supervisor may be dead. */
  exited(child: ModelChild, abnormal: boolean, second: number): void {
    child.running = false;
    child.sup = undefined;
    if (child.restart === 'permanent' || (child.restart === 'transient' && abnormal)) {
      this.restart(child, second);
      return;
    }
    if (child.restart === 'temporary') this.children = this.children.filter((other) => other !== child);
    if (!child.significant || this.plan.autoShutdown === 'never') return;
    const others = this.children.some((other) => other.significant && other.running);
    if (this.plan.autoShutdown === 'any_significant' || !others) this.end();
  }

  restart(first: ModelChild, second: number): void {
    let offender = first;
    for (;;) {
      this.restarts = [...this.restarts.filter((at) => second - at <= this.plan.periodSeconds), second];
      if (this.restarts.length > this.plan.intensity) {
        this.end();
        return;
      }
      const failed = this.restartGroup(offender);
      if (!failed) return;
      offender = failed;
    }
  }

  restartGroup(offender: ModelChild): ModelChild | undefined {
    const { strategy } = this.plan;
    const from = strategy === 'one_for_all' ? 0 : this.children.indexOf(offender);
    const group = strategy === 'one_for_one' ? [offender] : this.children.slice(from);
    for (const member of group) member.running = false;
    if (strategy !== 'one_for_one') {
      this.children = this.children.filter((other) => !group.includes(other) || other.restart !== 'temporary');
    }
    return group.filter((member) => this.children.includes(member)).find((member) => !this.start(member));
  }

  show(): unknown {
    return this.children.map((child) => ({
      id: child.id,
      running: child.running,
      restarts: Math.max(0, child.starts - 1),
      ...(child.running && child.sup ? { children: child.sup.show() } : {}),
    }));
  }

  workers(): number {
    const running = this.children.filter((child) => child.running);
    return running.reduce((sum, child) => sum + (child.sup ? child.sup.workers() : 1), 0);
  }

  call(op: Op & { do: 'start' | 'terminate' | 'restart' | 'delete' }): string {
    if (op.do === 'start') {
      const present = this.children.find((child) => child.id === op.child.id);
      if (present) return present.running ? 'already_started' : 'already_present';
      const child: ModelChild = { ...op.child, running: false, starts: 0, sup: undefined };
      if (!this.start(child)) return 'failed_to_start_child';
      this.children.push(child);
      return 'ok';
    }
    const child = this.children.find((other) => other.id === op.id);
    if (!child) return 'not_found';
    if (op.do === 'terminate') {
      child.running = false;
      if (child.restart === 'temporary') this.children = this.children.filter((other) => other !== child);
      return 'ok';
    }
    if (child.running) return 'running';
    if (op.do === 'restart') return this.start(child) ? 'ok' : 'failed_to_start_child';
    this.children = this.children.filter((other) => other !== child);
    return 'ok';
  }
}

/** The model of the whole tree: an end below is an exit above. */
class ModelTree {
  readonly root: ModelSupervisor;

  constructor(plan: Plan, fails: Fails) {
    this.root = new ModelSupervisor('', plan, fails);
  }

  find(path: string): ModelSupervisor | undefined {
    let sup: ModelSupervisor | undefined = this.root.alive ? this.root : undefined;
    for (const id of path.split('/').slice(1)) {
      sup = sup?.children.find((child) => child.id === id && child.running)?.sup;
    }
    return sup;
  }

  exits(path: string, ends: { id: string; how: How }[], second: number): void {
    const sup = this.find(path);
    const lives = new Map<ModelChild, { how: How; starts: number }>();
    for (const { id, how } of ends) {
      const child = sup?.children.find((other) => other.id === id && other.running);
      if (child && hits(child, how) && !lives.has(child)) lives.set(child, { how, starts: child.starts });
    }
    // All have ended before the first exit is served; one that is found dead by then has no exit of its own.
    for (const [child, { how, starts }] of lives) {
      if (!sup?.children.includes(child) || !child.running || child.starts !== starts) continue;
      sup.exited(child, how !== 'finish', second);
    }
    if (sup && !sup.alive) this.ended(path, second);
  }

  ended(path: string, second: number): void {
    if (path === '') return;
    const above = path.slice(0, path.lastIndexOf('/'));
    const parent = this.find(above);
    const child = parent?.children.find((other) => `${above}/${other.id}` === path);
    if (parent && child) parent.exited(child, false, second);
    if (parent && !parent.alive) this.ended(above, second);
  }
}

/** A supervisor knows neither `crash` nor `finish`. */
const hits = (child: ModelChild, how: How): boolean => !child.below || how === 'kill';

// ---- The real thing. ----

class Real {
  readonly clock = new VirtualClock();
  readonly fails: Fails = new Map();
  running = 0;

  worker(path: string): AnyActorLogic {
    if (mustFail(this.fails, path)) throw new Error('does not start');
    const alive = fromCallback(() => {
      this.running += 1;
      return () => {
        this.running -= 1;
      };
    });
    return createMachine({
      initial: 'on',
      invoke: { src: alive },
      on: {
        crash: {
          actions: () => {
            throw new Error('crash');
          },
        },
        finish: '.off',
        shutdown: '.off',
      },
      states: { on: {}, off: { type: 'final' } },
    });
  }

  spec(above: string, child: PlanChild): ChildSpec {
    const { below, ...rest } = child;
    const path = `${above}/${child.id}`;
    if (!below) return { ...rest, start: () => this.worker(path) };
    const start = () => {
      if (mustFail(this.fails, path)) throw new Error('does not start');
      return supervisor(this.options(path, below));
    };
    return { ...rest, type: 'supervisor', start };
  }

  options(path: string, plan: Plan) {
    return { ...plan, name: path, children: plan.children.map((child) => this.spec(path, child)) };
  }

  find(root: Supervisor, path: string): Supervisor | undefined {
    let sup: Supervisor | undefined = root;
    for (const id of path.split('/').slice(1)) sup = sup?.supervisor(id);
    return sup;
  }

  show(sup: Supervisor): unknown {
    return sup
      .whichChildren()
      .reverse()
      .map((row) => {
        const below = sup.supervisor(row.id);
        return {
          id: row.id,
          running: row.actor !== undefined && row.actor !== 'restarting',
          restarts: row.restarts,
          ...(below ? { children: this.show(below) } : {}),
        };
      });
  }

  hurt(sup: Supervisor | undefined, id: string, how: How): void {
    const actor = sup?.child(id);
    if (how === 'kill') actor?.stop();
    else actor?.send({ type: how });
  }

  call(sup: Supervisor, at: string, op: Op & { do: 'start' | 'terminate' | 'restart' | 'delete' }): Promise<string> {
    const calls = {
      start: () => sup.startChild(this.spec(at, (op as Op & { do: 'start' }).child)),
      terminate: () => sup.terminateChild((op as { id: string }).id),
      restart: () => sup.restartChild((op as { id: string }).id),
      delete: () => sup.deleteChild((op as { id: string }).id),
    };
    return calls[op.do]().then(
      () => 'ok',
      (error: { code: string }) => error.code,
    );
  }
}

// ---- What is tried. ----

const id = fc.constantFrom('a', 'b', 'c', 'd');
const how = fc.constantFrom<How>('crash', 'finish', 'kill');

const planChild = (below: fc.Arbitrary<Plan | undefined>): fc.Arbitrary<PlanChild> =>
  fc.record({
    id,
    restart: fc.constantFrom('permanent' as const, 'permanent' as const, 'transient' as const, 'temporary' as const),
    significant: fc.boolean(),
    shutdown: fc.constantFrom('brutal_kill' as const, 5000 as const, 'infinity' as const),
    below,
  });

const plan = (below: fc.Arbitrary<Plan | undefined>): fc.Arbitrary<Plan> =>
  fc
    .record({
      strategy: fc.constantFrom('one_for_one' as const, 'one_for_all' as const, 'rest_for_one' as const),
      intensity: fc.integer({ min: 0, max: 4 }),
      periodSeconds: fc.integer({ min: 1, max: 5 }),
      autoShutdown: fc.constantFrom(
        'never' as const,
        'never' as const,
        'any_significant' as const,
        'all_significant' as const,
      ),
      children: fc.uniqueArray(planChild(below), { maxLength: 4, selector: (child) => child.id }),
    })
    .map((made) => ({ ...made, children: made.children.map((child) => fitting(child, made)) }));

/** Refused combinations are for the unit tests. */
const fitting = (child: PlanChild, { autoShutdown }: Pick<Plan, 'autoShutdown'>): PlanChild => ({
  ...child,
  significant: child.significant && autoShutdown !== 'never' && child.restart !== 'permanent',
});

const leaf = fc.constant(undefined);
const inner = fc.oneof({ weight: 3, arbitrary: leaf }, { weight: 1, arbitrary: plan(leaf) });
const tree = plan(fc.oneof({ weight: 2, arbitrary: leaf }, { weight: 1, arbitrary: plan(inner) }));

const at = fc.oneof(
  fc.constant(''),
  id.map((a) => `/${a}`),
  fc.tuple(id, id).map(([a, b]) => `/${a}/${b}`),
);
const end = fc.record({ do: how, at, id });
const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 4, arbitrary: end },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('both' as const), at, id, how, otherId: id, otherHow: how }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('fail' as const), at, id, times: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('start' as const), at, child: planChild(inner) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('terminate' as const, 'restart' as const, 'delete' as const), at, id }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('step' as const), ms: fc.constantFrom(1, 999, 1000, 2500, 5000) }),
  },
);

async function apply(
  op: Op,
  world: { real: Real; root: Supervisor; model: ModelTree; modelFails: Fails },
): Promise<void> {
  const { real, root, model, modelFails } = world;
  const second = Math.floor(real.clock.monotonicMs() / 1000);
  switch (op.do) {
    case 'step':
      return real.clock.advance(op.ms);
    case 'fail':
      real.fails.set(`${op.at}/${op.id}`, op.times);
      modelFails.set(`${op.at}/${op.id}`, op.times);
      return;
    case 'crash':
    case 'finish':
    case 'kill':
      model.exits(op.at, [{ id: op.id, how: op.do }], second);
      real.hurt(real.find(root, op.at), op.id, op.do);
      return;
    case 'both': {
      const ends = [
        { id: op.id, how: op.how },
        { id: op.otherId, how: op.otherHow },
      ];
      // A supervisor has ended when its children are gone: whose exit is the first of two is then not promised.
      if (ends.some((each) => isSupervisor(model, op.at, each.id))) ends.pop();
      // A restart that fails is retried behind an exit that already waits, as in OTP; the model retries at once.
      if ([...modelFails.values()].some((left) => left > 0)) ends.length = 1;
      const sup = real.find(root, op.at);
      for (const each of ends) real.hurt(sup, each.id, each.how);
      model.exits(op.at, ends, second);
      return;
    }
    default: {
      const sup = real.find(root, op.at);
      const modelSup = model.find(op.at);
      expect(sup === undefined).toBe(modelSup === undefined);
      if (!sup || !modelSup) return;
      const call = op.do === 'start' ? { ...op, child: fitting(op.child, modelSup.plan) } : op;
      const expected = modelSup.call(call);
      expect(await real.call(sup, op.at, call)).toBe(expected);
    }
  }
}

const isSupervisor = (model: ModelTree, path: string, childId: string): boolean =>
  model.find(path)?.children.find((child) => child.id === childId)?.below !== undefined;

it(`does what the rules say, whatever happens in whatever tree (SEED=${SEED})`, async () => {
  const property = fc.asyncProperty(tree, fc.array(op, { minLength: 1, maxLength: 20 }), async (rootPlan, ops) => {
    const real = new Real();
    const modelFails: Fails = new Map();
    const model = new ModelTree(rootPlan, modelFails);
    expect(model.root.startAll()).toBe(true);
    const root = await startSupervisor(real.options('', rootPlan), { clock: real.clock });
    let ended = false;
    void root.exited.then(() => {
      ended = true;
    });
    for (const each of ops) {
      if (!model.root.alive) break;
      await apply(each, { real, root, model, modelFails });
      await real.clock.settle();
      expect(ended).toBe(!model.root.alive);
      expect(real.show(root)).toEqual(model.root.show());
      expect(real.running).toBe(model.root.workers());
    }
    expect(await root.stop()).toBe('shutdown');
    expect(real.running).toBe(0);
    expect(real.clock.pending).toBe(0);
  });
  await fc.assert(property, { seed: SEED, numRuns: RUNS });
});
