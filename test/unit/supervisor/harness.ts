import { afterEach, expect } from 'vitest';
import { type AnyActorLogic, createMachine } from 'xstate';
import {
  type ChildSpec,
  type Report,
  type Supervisor,
  type SupervisorOptions,
  startSupervisor,
} from '../../../src/supervisor/supervisor.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

export const BOOM = new Error('boom');

export interface WorkerOptions {
  /** What it does when asked to stop: by default it ends; `deaf` has a transition that leads nowhere. */
  shutdown?: 'end' | 'deaf' | 'fail' | 'after 100' | 'none';
}

/** A machine that crashes and finishes when told to. */
export function worker(options: WorkerOptions = {}): AnyActorLogic {
  const { shutdown = 'end' } = options;
  const fail = (): never => {
    throw BOOM;
  };
  const on = {
    end: { shutdown: '.done' },
    deaf: { shutdown: {} },
    fail: { shutdown: { actions: fail } },
    'after 100': { shutdown: '.cleaning' },
    none: {},
  }[shutdown];
  return createMachine({
    initial: 'working',
    on: { crash: { actions: fail }, finish: '.done', ...on },
    states: { working: {}, cleaning: { after: { 100: 'done' } }, done: { type: 'final' } },
  });
}

/** The parts of a spec; `shutdown` may also be how its worker behaves then. */
export type ChildOptions = Omit<Partial<ChildSpec>, 'shutdown'> & {
  shutdown?: NonNullable<ChildSpec['shutdown']> | NonNullable<WorkerOptions['shutdown']>;
};

/** The spec of a {@link worker}. */
export function child(id: string, options: ChildOptions = {}): ChildSpec {
  const { shutdown = 'end', ...rest } = options;
  if (typeof shutdown === 'number' || shutdown === 'brutal_kill' || shutdown === 'infinity') {
    return { id, start: () => worker(), shutdown, ...rest };
  }
  return { id, start: () => worker({ shutdown }), ...rest };
}

/** A spec whose start fails as long as the returned gate says so. */
export function gated(id: string, spec: ChildOptions = {}) {
  const gate = { failing: false, starts: 0 };
  const start = (): AnyActorLogic => {
    gate.starts += 1;
    if (gate.failing) throw BOOM;
    return worker();
  };
  return { gate, spec: { ...child(id, spec), start } };
}

const open: World[] = [];

/** One supervisor on a virtual clock, its reports as lines, and a check that nothing is left behind. */
export class World {
  readonly clock = new VirtualClock();
  readonly reports: Report[] = [];
  #lines: string[] = [];
  #sup: Supervisor | undefined;

  async start(options: Partial<SupervisorOptions>, signal?: AbortSignal): Promise<Supervisor> {
    open.push(this);
    this.#sup = await startSupervisor(
      { name: 'root', intensity: 10, ...options },
      { clock: this.clock, random: () => 0.5, onReport: (report) => this.#note(report), ...(signal && { signal }) },
    );
    return this.sup;
  }

  get sup(): Supervisor {
    if (!this.#sup) throw new Error('not started');
    return this.#sup;
  }

  /** Stops it, if it ever started, and whatever has to be waited for passes. */
  async close(): Promise<void> {
    const stopped = this.#sup?.stop();
    await this.clock.advance(60_000);
    await stopped;
  }

  #note(report: Report): void {
    this.reports.push(report);
    const { type, supervisor, id, incarnation, reason, leaked } = report;
    const why = reason instanceof Error ? reason.message : (reason ?? '');
    const where = supervisor === 'root' ? '' : `${supervisor}/`;
    this.#lines.push(`${type} ${where}${id}#${incarnation} ${why}${leaked ? ' leaked' : ''}`.trim());
  }

  /** The report lines since the last call. */
  lines(): string[] {
    return this.#lines.splice(0);
  }

  /** Sends to a child and lets all that follows happen. */
  async tell(id: string, type: string): Promise<void> {
    this.sup.child(id)?.send({ type });
    await this.clock.settle();
  }

  /** `a:running b:- c:restarting`, in start order. */
  state(sup: Supervisor = this.sup): string {
    const word = (actor: unknown) => (actor === 'restarting' ? 'restarting' : actor ? 'running' : '-');
    return sup
      .whichChildren()
      .reverse()
      .map((row) => `${row.id}:${word(row.actor)}`)
      .join(' ');
  }
}

/** The code that a call is refused with. */
export async function refusal(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => ({ code: 'not refused' }),
    (thrown: { code: string }) => thrown,
  );
  return error.code;
}

afterEach(async () => {
  for (const world of open.splice(0)) {
    await world.close();
    expect(world.clock.pending, 'timers left behind').toBe(0);
  }
});
