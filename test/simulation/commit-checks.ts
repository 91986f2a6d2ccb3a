import type { Job, NewJob } from '../../src/job/job.ts';
import type { JobFact } from '../../src/job/job-event.ts';
import { isTerminal } from '../../src/job/state.ts';
import type { StoreAnswer, StoreReply, StoreRequest } from '../../src/store/job-store.ts';
import type { Handlers } from './handlers.ts';
import { type Complain, JobHistory } from './job-history.ts';
import { LimitChecks } from './limit-checks.ts';
import type { Sightings } from './sightings.ts';
import type { CommitListener, SimDatabase } from './sim-database.ts';
import { LEASE_MS } from './sim-node.ts';
import type { Trace } from './trace.ts';

/** What the checks work with. */
export interface CommitWorld {
  database: SimDatabase;
  trace: Trace;
  sightings: Sightings;
  handlers: Handlers;
  complain: Complain;
  /** The world's own time, which no clock of a node steps, in milliseconds. */
  timeMs(): number;
  /** Wall clocks differ: what is counted by them is not checked. */
  clocksDiffer: boolean;
  /** How far apart two groups may be written that were stamped together, in milliseconds. */
  doubtMs: number;
}

type Told<V extends StoreRequest['verb']> = Extract<StoreRequest, { verb: V }>;

/** Looks at every group right after its commit: what must hold at every instant, in the store's view. */
export class CommitChecks implements CommitListener {
  readonly history: JobHistory;
  /** Where each schedule's cursor began when it was first stored. */
  readonly cursorsFrom = new Map<string, number>();
  readonly #world: CommitWorld;
  readonly #limits: LimitChecks;
  /** When each worker last gave a sign: by the store's clock, and by the world's time. */
  readonly #signs = new Map<string, { at: number; timeMs: number }>();
  #term = 0;
  #leader = '';

  constructor(world: CommitWorld) {
    this.#world = world;
    this.history = new JobHistory(world.complain);
    this.#limits = new LimitChecks({ ...world, history: this.history });
  }

  async committed(requests: readonly StoreRequest[], replies: readonly StoreReply[], by: string): Promise<void> {
    const touched = new Set<string>();
    for (const [index, request] of requests.entries()) {
      const reply = replies[index];
      if (reply === undefined) continue;
      this.#world.trace.add(`${by} ${request.verb}`, summary(request, reply));
      if (!reply.ok) continue;
      const wanted = wantedOf(request);
      for (const fact of reply.facts) {
        this.history.take(fact, request, wanted);
        if (fact.what === 'deleted') this.#world.handlers.deleted(fact.id);
        touched.add(fact.id);
      }
      this.#look(request, reply.answer, reply.facts);
    }
    if (touched.size === 0) return;
    const rows = await this.#world.database.read({ verb: 'get', ids: [...touched] });
    this.history.compare(rows as Job[]);
  }

  #look(request: StoreRequest, answer: unknown, facts: readonly JobFact[]): void {
    // A verb's answer has the verb's shape: the port says so.
    switch (request.verb) {
      case 'stage':
        this.history.staged(request.now);
        break;
      case 'insert':
        this.#inserted(request, answer as StoreAnswer<'insert'>);
        break;
      case 'claim':
        this.#sawSign(request.worker, request.now);
        this.#limits.claimed(request, facts);
        break;
      case 'settle':
        this.#settled(request, answer as StoreAnswer<'settle'>);
        break;
      case 'beat':
        if ((answer as StoreAnswer<'beat'>).lost.length > 0) this.#world.sightings.saw('zombie fenced');
        this.#sawSign(request.worker, request.now);
        break;
      case 'touch':
        for (const { worker } of request.workers) this.#sawSign(worker, request.now);
        break;
      case 'rescue':
        this.#rescued(request, facts);
        break;
      case 'changeQueue':
        this.#limits.ruled((answer as StoreAnswer<'changeQueue'>).queue);
        break;
      case 'lead':
        this.#led(answer as StoreAnswer<'lead'>);
        break;
      case 'tick':
        this.#ruledBy(request.term, 'ticks');
        break;
      case 'changeSchedules':
        this.#schedulesChanged(request);
        break;
    }
  }

  #inserted({ jobs }: Told<'insert'>, answer: StoreAnswer<'insert'>): void {
    for (const [index, { job, conflict }] of answer.entries()) {
      if (!conflict) continue;
      this.#world.sightings.saw(jobs[index]?.id === job.id ? 'duplicate ignored' : 'unique conflict');
    }
  }

  #settled({ worker, outcomes, now, brief }: Told<'settle'>, { settled, refused }: StoreAnswer<'settle'>): void {
    this.#sawSign(worker, now);
    if (refused.length > 0) this.#world.sightings.saw('zombie fenced');
    // Who asks briefly takes for settled what is not refused.
    const others = new Set(refused.map(({ id }) => id));
    for (const { id } of brief ? outcomes.filter((report) => !others.has(report.id)) : settled) {
      const accepted = this.history.jobs.get(id)?.accepted ?? new Set();
      const said = outcomes.filter((report) => report.id === id);
      const known = said.some(({ run, outcome }) => accepted.has(`${run} ${worker} ${outcome}`));
      if (!known)
        this.#world.complain('settled by its owner', id, `${worker} was told that it is settled and it is not`);
    }
  }

  #sawSign(worker: string, at: number): void {
    this.#signs.set(worker, { at, timeMs: this.#world.timeMs() });
  }

  #rescued({ deadBefore }: Told<'rescue'>, facts: readonly JobFact[]): void {
    for (const { id } of facts) {
      this.#world.sightings.saw('lease recovered');
      const worker = this.history.jobs.get(id)?.worker ?? '';
      const sign = this.#signs.get(worker);
      // A clock that stepped back to where a lost sign was given makes that look fresh; a lease of real silence has passed.
      const wasSilent = sign === undefined || this.#world.timeMs() - sign.timeMs >= LEASE_MS;
      if (sign !== undefined && sign.at >= deadBefore && !wasSilent) {
        const words = `${worker} gave a sign ${sign.at - deadBefore} ms after`;
        this.#world.complain('rescued from the dead only', id, words);
      }
    }
  }

  #led({ term, instance }: StoreAnswer<'lead'>): void {
    if (term < this.#term) this.#world.complain('one leader', instance, `term ${term} came after term ${this.#term}`);
    if (term === this.#term && instance !== this.#leader) {
      this.#world.complain('one leader', instance, `${this.#leader} has its term ${term}`);
    }
    if (term > this.#term && this.#leader !== '' && instance !== this.#leader)
      this.#world.sightings.saw('leader deposed');
    this.#term = term;
    this.#leader = instance;
  }

  #ruledBy(term: number | undefined, what: string): void {
    if (term === undefined || term === this.#term) return;
    this.#world.complain('no stale leader writes', `term ${term}`, `wrote ${what} while term ${this.#term} led`);
  }

  #schedulesChanged({ changes, term }: Told<'changeSchedules'>): void {
    this.#ruledBy(term, 'schedules');
    for (const { name, revision, state } of changes) {
      if (revision === null && state !== null && !this.cursorsFrom.has(name))
        this.cursorsFrom.set(name, state.cursorAt);
    }
  }
}

function wantedOf(request: StoreRequest): ReadonlyMap<string, NewJob> {
  const jobs =
    request.verb === 'insert' || request.verb === 'runSchedules'
      ? request.jobs
      : request.verb === 'tick' || request.verb === 'reboot'
        ? request.ticks.flatMap((tick) => tick.jobs)
        : [];
  return new Map(jobs.map((job) => [job.id, job]));
}

/** What the trace says of a request: enough to follow a job by its id. */
function summary(request: StoreRequest, reply: StoreReply): string {
  if (!reply.ok) return `refused: ${reply.error.message}`;
  const facts = reply.facts.map(
    ({ id, what, run, attempt, state }) => `${id} ${what} run ${run} attempt ${attempt} ${state}`,
  );
  const asked =
    request.verb === 'settle' || request.verb === 'beat' || request.verb === 'claim' ? `${request.worker} ` : '';
  const told = request.verb === 'settle' ? JSON.stringify(reply.answer) : '';
  const ended = reply.facts.filter(({ state }) => isTerminal(state)).length;
  return `${asked}${facts.join(', ')}${told}${ended > 0 ? ` (${ended} ended)` : ''}`;
}
