import type { WireEvent } from '../support/plain-client.ts';
import { type ChaosJob, type History, within } from './chaos-history.ts';
import { brokenMessages } from './intake-checker.ts';
import { brokenAttempts, brokenCompletion, endsTold, runOf, TERMINAL, whatOf } from './journey-checker.ts';

/** How far apart two clocks of one machine may be that each follow the database's, in milliseconds. */
const CLOCK_DOUBT_MS = 400;
/** What ends a run. Of one run only one of them may be told. */
const ENDS_RUN = new Set(['completed', 'retryable', 'snoozed', 'released', 'rescued']);

/**
 * All that a fleet has not kept of what is promised, in words; empty when it has. At least once is what is promised: a
 * handler may start twice for a job whose owner was thought dead. The order of events of several nodes is nothing to
 * go by.
 */
export function brokenFleet(history: History): string[] {
  const { asked, jobs, notes } = history;
  const byId = new Map(jobs.map((job) => [job.id, job]));
  const eventsOf = Map.groupBy(history.events.filter(isOfJob), ({ subject }) => subject);
  const msgIds = new Set(history.published.map(({ msgId }) => msgId));
  const notesOf = Map.groupBy(notes, ({ id }) => id);
  return [
    ...history.strayExits,
    ...[...asked.acknowledged].flatMap(([id, end]) => brokenAnswer(id, end, byId.get(id))),
    ...jobs.flatMap((job) => [
      ...brokenOrigin(job, history, msgIds),
      ...brokenTelling(job, eventsOf.get(job.id) ?? [], history),
      ...(asked.retried.has(job.id) ? [] : brokenAttempts(job)),
    ]),
    ...[...eventsOf].flatMap(([id, events]) => brokenFences(id, events)),
    ...[...notesOf].flatMap(([id, mine]) => [
      ...brokenStarts(id, mine),
      ...brokenCompletion(id, mine, eventsOf.get(id) ?? []),
    ]),
    ...brokenTicks(jobs, history),
    ...history.recoveries.flatMap(({ fault, firstMs }) =>
      Number.isFinite(firstMs) ? [] : [`nothing completed after: ${fault}`],
    ),
    ...brokenMessages({ ...history, jobs: jobs.filter(({ tags }) => tags.length > 0) }),
    ...[...asked.rolledBack].flatMap((id) => (byId.has(id) ? [`${id} was rolled back and is there`] : [])),
    ...brokenKeys(history),
    ...brokenLimits(history),
    ...brokenPauses(history),
    ...(history.untold === 0 ? [] : [`${history.untold} blocks of ends were never told`]),
  ];
}

const isOfJob = ({ type }: WireEvent): boolean => type.startsWith('jobs.job.');

/** What was answered as durable is there, and has come to its right end. */
function brokenAnswer(id: string, end: string | undefined, job: ChaosJob | undefined): string[] {
  if (job === undefined) return [`${id} was acknowledged and is lost`];
  return end === undefined || job.state === end || !TERMINAL.has(job.state)
    ? []
    : [`${id} (${job.type}) should be ${end} and is ${job.state}: ${JSON.stringify(job.errors.at(-1))}`];
}

/** Nothing is there that nobody asked for, and everything has ended. */
function brokenOrigin(job: ChaosJob, { asked }: History, msgIds: ReadonlySet<string>): string[] {
  const isAsked = job.schedule !== null || asked.sent.has(job.id) || msgIds.has(job.tags[0] ?? '');
  return [
    ...(!isAsked ? [`${job.id} (${job.type}) was asked for by nobody`] : []),
    ...(TERMINAL.has(job.state) ? [] : [`${job.id} (${job.type}) has not ended: ${job.state}`]),
    ...(job.state === 'cancelled' && job.schedule === null && !asked.cancelled.has(job.id)
      ? [`${job.id} was cancelled by nobody`]
      : []),
  ];
}

/** Its end was told under one id, but where nobody could hear it. */
function brokenTelling(job: ChaosJob, events: readonly WireEvent[], { asked, deaf }: History): string[] {
  if (!TERMINAL.has(job.state)) return [];
  const ends = endsTold(events);
  const finishedAt = Date.parse(job.finishedAt ?? '');
  if (ends.size === 0) {
    const unheard = deaf.some((span) => within(finishedAt, span));
    return unheard ? [] : [`${job.id} is ${job.state} since ${job.finishedAt} and nobody was told`];
  }
  if (ends.size === 1 || asked.retried.has(job.id)) return [];
  return [`${job.id} ended under several ids: ${[...ends].join(', ')}`];
}

/** Of one run one end was told, and after a completion no further run was begun. */
function brokenFences(id: string, events: readonly WireEvent[]): string[] {
  const told = new Map<number, Set<string>>();
  const runs = events.filter((event) => ENDS_RUN.has(whatOf(event)));
  for (const event of runs) told.set(runOf(event), (told.get(runOf(event)) ?? new Set()).add(whatOf(event)));
  const completed = events.find((event) => whatOf(event) === 'completed');
  const last = completed === undefined ? Number.POSITIVE_INFINITY : runOf(completed);
  return [
    ...[...told].flatMap(([run, ends]) => (ends.size > 1 ? [`${id} ended its run ${run} as ${[...ends].join()}`] : [])),
    ...events.flatMap((event) => (runOf(event) > last ? [`${id} after its completion: ${event.id}`] : [])),
  ];
}

/** No run was started twice. */
function brokenStarts(id: string, notes: History['notes']): string[] {
  const starts = notes.filter(({ what }) => what === 'start').map(({ run }) => run);
  return new Set(starts).size === starts.length ? [] : [`${id} started a run twice: ${starts.join()}`];
}

/** Schedules fired; one job per schedule and nominal time; where every missed tick is made up for, no time is left out. */
function brokenTicks(jobs: readonly ChaosJob[], { asked: { put }, ticksMin }: History): string[] {
  const broken: string[] = [];
  const times = new Map<string, Set<string>>();
  for (const { id, schedule } of jobs) {
    if (schedule === null) continue;
    const mine = times.get(schedule.name) ?? new Set<string>();
    if (mine.has(schedule.at)) broken.push(`${id} is a second job of ${schedule.name} at ${schedule.at}`);
    times.set(schedule.name, mine.add(schedule.at));
  }
  for (const [name, least] of Object.entries(ticksMin)) {
    const fired = times.get(name)?.size ?? 0;
    if (fired < least) broken.push(`${name} fired ${fired} times only`);
  }
  const all = [...(times.get('all') ?? [])].map((at) => Date.parse(at)).sort((a, b) => a - b);
  for (const [index, at] of all.slice(1).entries()) {
    const before = all[index] ?? 0;
    if (at - before !== 1_000)
      broken.push(`no tick between ${new Date(before).toISOString()} and ${at - before} ms on`);
  }
  for (const [name, at] of put) {
    const fired = [...(times.get(name) ?? [])];
    if (fired.join() !== at) broken.push(`${name} at ${at} fired at: ${fired.join() || 'never'}`);
  }
  return broken;
}

function brokenKeys({ asked }: History): string[] {
  return [...asked.unique].flatMap(([key, ids]) =>
    ids.size > 1 ? [`${key} is kept by several jobs: ${[...ids].join()}`] : [],
  );
}

/** A run that completed its job executed, by the database, from its first note to its last. */
function brokenLimits({ jobs, notes, limit, mostExecuting, events }: History): string[] {
  const slow = new Set(jobs.filter(({ queue }) => queue === 'slow').map(({ id }) => id));
  const lasts = events.filter((event) => slow.has(event.subject) && whatOf(event) === 'completed');
  const completing = new Set(lasts.map((event) => `${event.subject} ${runOf(event)}`));
  let [running, most] = [0, 0];
  for (const { what, id, run } of notes) {
    if (!completing.has(`${id} ${run}`)) continue;
    if (what === 'start') running += 1;
    if (what === 'end') running -= 1;
    most = Math.max(most, running);
  }
  return [
    ...(most > limit ? [`${most} jobs of slow ran at once, ${limit} were allowed`] : []),
    ...(mostExecuting > limit ? [`${mostExecuting} jobs of slow were executing at once, ${limit} were allowed`] : []),
  ];
}

/** Nothing of a paused queue was begun. */
function brokenPauses({ asked, jobs }: History): string[] {
  const paused = asked.pauses.map(({ from, to }) => ({ from: from + CLOCK_DOUBT_MS, to: to - CLOCK_DOUBT_MS }));
  return jobs.flatMap(({ id, queue, attemptedAt }) => {
    const at = Date.parse(attemptedAt ?? '');
    return queue === 'slow' && paused.some((span) => within(at, span))
      ? [`${id} began at ${attemptedAt} in a pause`]
      : [];
  });
}
