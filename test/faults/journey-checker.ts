import type { WireEvent, WireJob } from '../support/plain-client.ts';

/** What was seen from outside of jobs over several lives of a node, after all had time to end. */
export interface Evidence {
  /** Ids of jobs whose enqueue was answered. */
  acknowledged: readonly string[];
  /** Those jobs as the node shows them now; one that is lost is missing. */
  jobs: readonly WireJob[];
  /** What handlers wrote down, in order. */
  notes: readonly { what: string; id: string; run: number }[];
  /** Every event in the order that it came; its source names the life that it is from. */
  events: readonly WireEvent[];
  /** Sources of the lives in which what tells was ended on its way: as between lives, something may not have been told. */
  interrupted?: ReadonlySet<string>;
}

/** The states that a job ends in. */
export const TERMINAL: ReadonlySet<string> = new Set(['completed', 'cancelled', 'discarded']);
const LIVE = ['scheduled', 'available', 'executing', 'retryable'];

/** What may be told of a job in which states, and where it is then: the design's table, written down a second time. */
const TOLD: Record<string, { from: readonly string[]; to: readonly string[] }> = {
  inserted: { from: ['nothing'], to: ['available', 'scheduled'] },
  scheduled: { from: ['scheduled'], to: ['scheduled'] },
  started: { from: ['available'], to: ['executing'] },
  completed: { from: ['executing'], to: ['completed'] },
  retryable: { from: ['executing'], to: ['retryable'] },
  snoozed: { from: ['executing'], to: ['scheduled'] },
  released: { from: ['executing'], to: ['available'] },
  rescued: { from: ['executing'], to: ['available'] },
  discarded: { from: ['executing'], to: ['discarded'] },
  cancelled: { from: LIVE, to: ['cancelled'] },
};

/** All that is wrong with it, in words; empty when every promise was kept. */
export function brokenPromises(evidence: Evidence): string[] {
  const jobs = new Map(evidence.jobs.map((job) => [job.id, job]));
  const notes = Map.groupBy(evidence.notes, ({ id }) => id);
  const isOfJob = ({ type }: WireEvent): boolean => type.startsWith('jobs.job.');
  const events = Map.groupBy(evidence.events.filter(isOfJob), ({ subject }) => subject);
  return [
    ...evidence.acknowledged.flatMap((id) => brokenEnd(id, jobs.get(id), events.get(id) ?? [])),
    ...[...jobs.values()].flatMap((job) => brokenAttempts(job)),
    ...[...notes].flatMap(([id, mine]) => brokenRuns(id, mine, events.get(id) ?? [])),
    ...[...events].flatMap(([id, mine]) => brokenStory(id, mine, evidence.interrupted ?? new Set())),
  ];
}

/** Durable, ended, and its end told with one id. */
function brokenEnd(id: string, job: WireJob | undefined, events: readonly WireEvent[]): string[] {
  if (job === undefined) return [`${id} was acknowledged and is lost`];
  if (!TERMINAL.has(job.state)) return [`${id} has not ended: ${job.state}`];
  const ends = endsTold(events);
  if (ends.size === 0) return [`${id} is ${job.state} and nobody was told`];
  return ends.size === 1 ? [] : [`${id} ended under several ids: ${[...ends].join(', ')}`];
}

/** The ids under which ends were told. */
export function endsTold(events: readonly WireEvent[]): Set<string> {
  return new Set(events.filter((event) => TERMINAL.has(whatOf(event))).map((event) => event.id));
}

/** Each counted attempt left one entry, and the one that completed none. */
export function brokenAttempts({ id, state, attempt, errors }: WireJob): string[] {
  const counted = errors.map((entry) => entry.attempt);
  const wanted = Array.from({ length: state === 'completed' ? attempt - 1 : attempt }, (_, index) => index + 1);
  if (!TERMINAL.has(state) || counted.join() === wanted.join()) return [];
  return [`${id} is ${state} at attempt ${attempt} with entries of attempts ${counted.join() || 'none'}`];
}

/** Runs are started once each and rise; after the one that completed there is none. */
function brokenRuns(id: string, notes: Evidence['notes'], events: readonly WireEvent[]): string[] {
  const starts = notes.filter(({ what }) => what === 'start').map(({ run }) => run);
  const broken = starts.flatMap((run, index) =>
    index > 0 && run <= (starts[index - 1] ?? 0) ? [`${id} started run ${run} after run ${starts[index - 1]}`] : [],
  );
  return [...broken, ...brokenCompletion(id, notes, events)];
}

/** The run that completed a job ended, and none was started after it. */
export function brokenCompletion(id: string, notes: Evidence['notes'], events: readonly WireEvent[]): string[] {
  const completed = events.find((event) => whatOf(event) === 'completed');
  if (completed === undefined) return [];
  const broken: string[] = [];
  const starts = notes.filter(({ what }) => what === 'start').map(({ run }) => run);
  const last = runOf(completed);
  const ended = notes.some(({ what, run }) => what === 'end' && run === last);
  if (!ended) broken.push(`${id} is completed by run ${last}, which never ended`);
  if (starts.some((run) => run > last)) broken.push(`${id} was started again after run ${last} completed it`);
  return broken;
}

/** The events of a job tell a life that the table allows. What a crash kept from being told may have happened between lives. */
function brokenStory(id: string, events: readonly WireEvent[], interrupted: ReadonlySet<string>): string[] {
  const broken: string[] = [];
  let states = new Set(['nothing']);
  let [life, run] = ['', 0];
  const seen = new Set<string>();
  for (const event of events) {
    const rule = TOLD[whatOf(event)];
    if (rule === undefined || seen.has(event.id)) continue;
    seen.add(event.id);
    const isWhole = event.source === life && !interrupted.has(life);
    const possible = isWhole ? afterDue(states) : afterAnything(states);
    const state = String(event.data.state);
    const story = `${id}: "${whatOf(event)}" (${event.id})`;
    if (!rule.from.some((from) => possible.has(from))) broken.push(`${story} in ${[...states].join()}`);
    if (!rule.to.includes(state)) broken.push(`${story} leads to ${state}`);
    if (runOf(event) < run) broken.push(`${story} after run ${run}`);
    [life, run, states] = [event.source, runOf(event), new Set([state])];
  }
  return broken;
}

/** Becoming due is not told. */
function afterDue(states: ReadonlySet<string>): Set<string> {
  const due = states.has('scheduled') || states.has('retryable');
  return new Set([...states, ...(due ? ['available'] : [])]);
}

/** Where a job may be after a crash: anywhere, but it neither is made twice nor returns from its end. */
function afterAnything(states: ReadonlySet<string>): Set<string> {
  return [...states].some((state) => state === 'nothing' || LIVE.includes(state))
    ? new Set([...states, ...LIVE, ...TERMINAL])
    : new Set(states);
}

/** What an event tells: `completed`. */
export const whatOf = ({ type }: WireEvent): string => type.slice(type.lastIndexOf('.') + 1);
/** The run that an event is of: its id begins with (job, run). */
export const runOf = ({ id }: WireEvent): number => Number(id.split(':')[1]);
