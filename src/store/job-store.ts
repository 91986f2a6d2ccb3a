import type { TypeDefaults } from '../job/definition.ts';
import type { ClaimedJob, Job, NewJob } from '../job/job.ts';
import type { JobFact } from '../job/job-event.ts';
import type { Outcome } from '../job/outcome.ts';
import type { JobState } from '../job/state.ts';
import type { Json } from '../kernel/json.ts';
import type { ChangeVerbs, StoppedAttempt } from './change-verbs.ts';
import type { IntakeVerbs } from './intake-verbs.ts';
import type { QueueVerbs } from './queue-record.ts';
import type { ScheduleVerbs } from './schedule-verbs.ts';

/**
 * The port to SQL, the truth about jobs. Verbs are batch-first and speak the domain; the caller passes `now`
 * (milliseconds since the epoch) and no row, connection or SQL type crosses. An adapter makes the decisions of `job/`
 * inside its transaction and answers the facts that became true, for the caller to tell after the commit.
 */
export interface JobStore {
  readonly capabilities: StoreCapabilities;
  /**
   * Runs requests in order as one group, whose writes become durable together before this resolves (group commit). A
   * request that is refused answers for itself and changes nothing; the rest of the group stands.
   * @param onBegun see {@link OnBegun}; a store may never call it
   * @throws RotaError `unavailable` when nothing of the group was written, or nobody knows whether it is durable: then it
   * has to be opened again before it does anything more
   */
  perform(requests: readonly StoreRequest[], onBegun?: OnBegun): Promise<StoreReply[]>;
  close(): Promise<void>;
}

/** A claim of a group, by its place among the requests, all of whose jobs the same group stored. */
export interface BegunAnswer {
  index: number;
  jobs: ClaimedJob[];
}

/**
 * Told of such claims once the group is written, before it is durable: a power loss may still take it back. It then takes
 * back the jobs too, of which nobody has been told that they are stored; so a worker which that power loss stops with the
 * store may begin them. It is waited for, and the replies answer these claims again.
 */
export type OnBegun = (claims: readonly BegunAnswer[]) => Promise<void>;

/** What stores differ in. */
export interface StoreCapabilities {
  /** `sqlite` or `postgres`, for people. */
  name: string;
  /** Whether what is committed survives the process. */
  durable: boolean;
  /** Whether several persistence actors may own it at once. */
  shared: boolean;
  /** How many groups it writes at once. */
  groupsMax: number;
  /** Verbs that it has connections of their own for, so that they need wait for no group. */
  aside?: ReadonlySet<StoreVerb>;
}

/** One row that an insert was asked for: as stored, or the existing one with the same id, tick or unique key. */
export interface InsertResult {
  job: Job;
  conflict: boolean;
}

/** A claim of up to `limit` jobs of a queue, ordered by (priority, scheduledAt, insertion). */
export interface ClaimOptions {
  now: number;
  queue: string;
  worker: string;
  node: string;
  limit: number;
  /** Only these types; all when left out. */
  types?: readonly string[];
  /** Fewer are claimed where their JSON would be larger than this together; the first always is. */
  bytesMax?: number;
}

/** A job that a worker says it runs: by `run`, else by attempt alone; `insertedAt` tells it from a deleted one's id. */
export type RunRef = Pick<Job, 'id' | 'attempt'> & Partial<Pick<Job, 'run' | 'insertedAt'>>;

/** What a worker reports of one attempt. */
export type OutcomeReport = RunRef & Outcome;

/** Why a settlement or a sign of life is refused. */
export type RefusalReason = 'not_owner' | 'not_executing' | 'not_found';

/** What became of a settlement. Settling the same outcome twice is answered as settled. */
export interface SettleResult {
  settled: { id: string; state: JobState }[];
  refused: { id: string; reason: RefusalReason }[];
}

/** An id is in one of them: cancelled while it ran, or no longer (or never) this worker's. */
export interface BeatResult {
  cancel: { id: string; terminate: boolean }[];
  lost: string[];
}

/** Which jobs; all given parts must hold. `before` and `after` compare insertedAt, exclusive. */
export interface JobFilter {
  states?: readonly JobState[];
  queue?: string;
  type?: string;
  tag?: string;
  reference?: { type: string; id: string };
  schedule?: string;
  before?: number;
  after?: number;
}

/** A page of jobs by order of insertion. `cursor` is opaque text from the page before; null: there is no more. */
export interface JobPage {
  jobs: Job[];
  cursor: string | null;
}

/** How many jobs there are. */
export interface JobCounts {
  total: number;
  byState: Record<JobState, number>;
  byQueue: Record<string, number>;
}

/** How long terminal rows are kept, in milliseconds after `finishedAt`. */
export type KeepMs = Record<'completed' | 'cancelled' | 'discarded', number>;

/** A living or recently seen node. Times are milliseconds since the epoch. */
export interface NodeRecord {
  node: string;
  /** A new one for each start of the program, so that two programs with one name are told apart. */
  instance: string;
  version: string;
  roles: string[];
  startedAt: number;
  seenAt: number;
  /** The queues and the types that this node's config names: what makes them known. */
  queues: { name: string; limit: number; runs: boolean }[];
  types: NodeType[];
  /** Differs where nodes' configs say other schedules; left out by who has none to lay out. */
  scheduleSet?: string;
  /** Stale settlements and beats that were refused, since the node started. */
  refused: Record<RefusalReason, number>;
}

/** A job type as a node's config declares it. */
export interface NodeType {
  type: string;
  queue: string;
  hasSchema: boolean;
  /** Its handler is on this node, which runs queues. */
  runs: boolean;
  /** The JSON Schema of its args, where the schema library exports one. */
  schema?: Json;
  /** What it lays under a request; left out: nothing. */
  defaults?: TypeDefaults;
}

/** Who leads: one at a time, each with a term of its own that only rises. */
export interface Leadership {
  node: string;
  instance: string;
  term: number;
  /** When the lease ends unless it is renewed, milliseconds since the epoch. */
  until: number;
}

/** Outbox places from one to another, both included. Several owners of a store may have places in turn. */
export interface PlaceRun {
  from: number;
  to: number;
}

/** Every verb: what it takes and what it answers. */
export interface StoreVerbs extends ChangeVerbs, IntakeVerbs, QueueVerbs, ScheduleVerbs {
  /**
   * Stores jobs, in order. An id that is there already answers the existing row; nothing of it changes. `brief` answers
   * nothing, for who needs no rows.
   */
  insert: { options: { jobs: readonly NewJob[]; brief?: boolean }; answer: InsertResult[] };
  /**
   * Moves available jobs to executing: attempt + 1, run + 1. One whose deadline has passed is passed over. None of a
   * paused queue, and no more than what operators limited it to leaves room for: over all workers, per period, by partition.
   */
  claim: { options: ClaimOptions; answer: ClaimedJob[] };
  /** Ends attempts, each only if it is still (id, run, worker)'s. */
  settle: {
    /** `brief`: who asks only wants to know what is refused, and `settled` is empty. */
    options: { now: number; worker: string; outcomes: readonly OutcomeReport[]; brief?: boolean };
    answer: SettleResult;
  };
  /**
   * A worker's sign of life with what it runs. Executing jobs of this worker in this queue that two beats do not list,
   * each at least `beatMs` after the claim and after the miss before, are released with the attempt handed back. A `node`
   * that is null leaves the one that is known.
   */
  beat: {
    options: Pick<ClaimOptions, 'now' | 'queue' | 'worker'> & {
      node: string | null;
      running: readonly RunRef[];
      beatMs: number;
    };
    answer: BeatResult;
  };
  /** Signs of life of workers that claim or wait in a claim. */
  touch: { options: { now: number; workers: readonly { worker: string; node: string }[] }; answer: null };
  /** Keeps a running job's progress; refused like a settlement when it is not the worker's. */
  progress: {
    options: { now: number; worker: string; id: string; attempt: number; run?: number; progress: Json };
    answer: { refused: RefusalReason | null };
  };
  /** Types of jobs that wait, with the queue of one of them; of at most `limit` rows, so that none is walked for ever. */
  waitingTypes: { options: { limit: number }; answer: { type: string; queue: string }[] };
  /** Which of these queues have an available job. What a claim could take of it, by limits or types, is not asked. */
  claimable: { options: { queues: readonly string[] }; answer: string[] };
  get: { options: { ids: readonly string[] }; answer: Job[] };
  /** The states of jobs; one that is not there is left out. */
  states: { options: { ids: readonly string[] }; answer: { id: string; state: JobState }[] };
  /** A page; shorter than `limit` where its JSON would be larger than `bytesMax`, but never empty for that. */
  list: {
    options: { filter: JobFilter; limit: number; order: 'asc' | 'desc'; cursor?: string; bytesMax?: number };
    answer: JobPage;
  };
  count: { options: { filter: JobFilter }; answer: JobCounts };
  /**
   * Cancels one job. `job` is the row afterwards, null when there is none; `conflict` when its state does not allow it.
   * A cancelled job is answered as it is. `wasRunning` names the attempt whose handler must be told.
   */
  cancel: {
    options: { now: number; id: string; terminate: boolean };
    answer: { job: Job | null; conflict: boolean; wasRunning: StoppedAttempt | null };
  };
  /** Makes due jobs (scheduled, retryable) available. `queues` got some; `nextAt` is when the next one is due. */
  stage: {
    options: { now: number; limit: number };
    answer: { staged: number; queues: string[]; nextAt: number | null };
  };
  /** Takes executing jobs from workers without a sign of life since `deadBefore`: attempt counted, error "orphaned". */
  rescue: {
    options: { now: number; deadBefore: number; limit: number };
    answer: { rescued: number; queues: string[] };
  };
  /** Deletes terminal rows past their time that are announced, and forgets workers and nodes not seen for a day. */
  prune: { options: { now: number; keepMs: KeepMs; limit: number }; answer: { pruned: number } };
  /** Terminal facts that are not known to be out, oldest first, after an outbox place (0: from the start). */
  unannounced: { options: { after: number; limit: number }; answer: JobFact[] };
  /** Forgets the outbox entries of these runs of places, both ends included: they are out. */
  announced: { options: { places: readonly PlaceRun[] }; answer: null };
  /** Writes a node's record; `taken` when a living node (seen after `deadBefore`) of another instance has the name. */
  registerNode: { options: { now: number; deadBefore: number; node: NodeRecord }; answer: { taken: boolean } };
  /** Removes a node that stopped. */
  removeNode: { options: { node: string; instance: string }; answer: null };
  nodes: { options: { seenAfter: number }; answer: NodeRecord[] };
  /** Takes or renews the lead for `leaseMs` if nobody else holds it; answers who leads now. */
  lead: { options: { now: number; node: string; instance: string; leaseMs: number }; answer: Leadership };
  /** Ends one's own lead at once. */
  resign: { options: { now: number; node: string; instance: string }; answer: null };
  leader: { options: Record<never, never>; answer: Leadership | null };
}

export type StoreVerb = keyof StoreVerbs;
/** What a verb takes. */
export type StoreOptions<V extends StoreVerb> = StoreVerbs[V]['options'];
/** What a verb answers. */
export type StoreAnswer<V extends StoreVerb> = StoreVerbs[V]['answer'];

/** One verb with its options. */
export type StoreRequest = { [V in StoreVerb]: { verb: V } & StoreOptions<V> }[StoreVerb];

/** What a request came to, with the facts that it made true in the order that they did. */
export type StoreReply =
  | { ok: true; answer: unknown; facts: JobFact[] }
  | { ok: false; error: { code: 'conflict' | 'invalid_request'; message: string } };
