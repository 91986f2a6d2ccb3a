import type { AnyJobDefinition } from '../../job/definition.ts';
import type { NewJob } from '../../job/job.ts';
import { newJob } from '../../job/job-request.ts';
import { timeText } from '../../kernel/clock.ts';
import { unreachable } from '../../kernel/error.ts';
import type { IdSource } from '../../kernel/identity.ts';
import type { DueTicks, TickDecision } from '../../scheduler/due-ticks.ts';
import { firesAtReboot } from '../../scheduler/occurrences.ts';
import type { PassedTick, ScheduleRecord, TickRecord, TickResult } from '../../store/schedule-record.ts';

/** What became of a schedule or of its ticks, to be told once it is recorded. */
export interface ScheduleFact {
  schedule: string;
  what: 'fired' | 'skipped' | 'missed' | 'ended';
  data: Record<string, unknown>;
}

/** What making the jobs of ticks takes. */
export interface PlanWorld {
  now: number;
  newId: IdSource;
  definitions: ReadonlyMap<string, AnyJobDefinition>;
  /** How large the jobs of one schedule may be together; one always is. */
  bytesMax: number;
}

/** What is to be recorded of one schedule, and what to tell of it then. */
export interface TickPlan {
  record: ScheduleRecord;
  tick: TickRecord;
  /** The decisions that are in it, rising by nominal time. */
  decisions: readonly TickDecision[];
  missed: DueTicks['missed'];
  /** When to look again; undefined: never. */
  nextAt: number | undefined;
  /** About how large it is. */
  bytes: number;
}

/** Jobs that one schedule makes in one transaction; the rest follows at once. */
const JOBS_MAX = 100;
/** What a job takes beside what its schedule says of it. */
const FRAME_BYTES = 512;

/** Makes the jobs of what was decided, as many as go into one message; the rest is decided again right after. */
export function planOf(record: ScheduleRecord, due: DueTicks, world: PlanWorld): TickPlan {
  const jobBytes = JSON.stringify(record.declaration.job).length + FRAME_BYTES;
  const jobsMax = Math.max(1, Math.min(JOBS_MAX, Math.floor(world.bytesMax / jobBytes)));
  const decisions = upToJobs(due.decisions, jobsMax);
  const cut = decisions.length < due.decisions.length;
  const fires = decisions.filter((decision) => decision.verdict === 'fire');
  const passed = decisions.filter((decision) => decision.verdict !== 'fire');
  const last = passed.at(-1);
  const lastPassed: PassedTick | null =
    last === undefined ? null : { at: last.nominalAt, what: last.verdict, reason: last.reason };
  return {
    record,
    decisions,
    missed: due.missed,
    nextAt: cut ? world.now : due.nextAt,
    bytes: fires.length * jobBytes + FRAME_BYTES,
    tick: {
      schedule: record.name,
      revision: record.revision,
      runs: record.runs,
      cursorFrom: record.cursorAt,
      cursorAt: cut ? (decisions.at(-1)?.nominalAt ?? record.cursorAt) : due.cursorAt,
      jobs: fires.map((decision) => jobOf(record, decision, world)),
      cancelsRunning: record.declaration.overlap === 'cancel_running',
      skipped: passed.filter(({ verdict }) => verdict === 'skipped').length,
      missed: due.missed.count,
      lastPassed,
    },
  };
}

function upToJobs(decisions: readonly TickDecision[], jobsMax: number): readonly TickDecision[] {
  let jobs = 0;
  const end = decisions.findIndex(({ verdict }) => verdict === 'fire' && ++jobs > jobsMax);
  return end < 0 ? decisions : decisions.slice(0, end);
}

function jobOf(record: ScheduleRecord, decision: TickDecision & { verdict: 'fire' }, world: PlanWorld): NewJob {
  const { name, declaration } = record;
  const { queue, ...request } = declaration.job;
  const schedule = { name, at: decision.nominalAt, late: decision.late };
  return newJob(request, { ...world, queue, definition: world.definitions.get(request.type), schedule });
}

/** The schedule after its plan was recorded, as the store has it now. */
export function recordAfter({ record, tick, decisions }: TickPlan, { jobs }: TickResult): ScheduleRecord {
  const fired = tick.jobs.filter((_job, index) => jobs[index] === 'fired');
  const unique = tick.jobs.filter((_job, index) => jobs[index] === 'unique');
  const uniqueAt = unique.at(-1)?.schedule?.at;
  const last = fired.at(-1);
  const newest = decisions.findLast(({ verdict }) => verdict === 'fire')?.nominalAt ?? null;
  return {
    ...record,
    cursorAt: Math.max(record.cursorAt, tick.cursorAt),
    runs: record.runs + fired.length,
    skipped: record.skipped + tick.skipped + unique.length,
    missed: record.missed + tick.missed,
    lastPassed:
      uniqueAt === undefined
        ? (tick.lastPassed ?? record.lastPassed)
        : { at: uniqueAt, what: 'skipped', reason: 'unique' },
    ...(last ? { lastAt: Math.max(record.lastAt ?? 0, newest ?? 0), lastJobId: last.id, lastState: last.state } : {}),
  };
}

/** What is told of a recorded plan: each tick that fired or was skipped, and how many were missed. */
export function factsOf(plan: TickPlan, { jobs }: TickResult): ScheduleFact[] {
  const schedule = plan.record.name;
  const facts: ScheduleFact[] = [];
  let fires = 0;
  const newestMissed = plan.decisions.findLast(({ verdict }) => verdict === 'missed');
  for (const decision of plan.decisions) {
    const base = { schedule, nominalAt: timeText(decision.nominalAt) };
    switch (decision.verdict) {
      case 'fire': {
        const became = jobs[fires];
        const jobId = plan.tick.jobs[fires]?.id ?? null;
        fires += 1;
        if (became === 'fired') facts.push({ schedule, what: 'fired', data: { ...base, late: decision.late, jobId } });
        if (became === 'unique') facts.push({ schedule, what: 'skipped', data: { ...base, reason: 'unique' } });
        break;
      }
      case 'skipped':
        facts.push({ schedule, what: 'skipped', data: { ...base, reason: decision.reason } });
        break;
      case 'missed':
        // Of many missed ones the newest stands for all.
        if (decision === newestMissed) {
          facts.push({ schedule, what: 'missed', data: { ...base, reason: decision.reason, ...plan.missed } });
        }
        break;
      default:
        unreachable(decision);
    }
  }
  if (plan.nextAt === undefined && !firesAtReboot(plan.record.declaration)) facts.push(endOf(plan));
  return facts;
}

/** The schedule has had its last tick: its runs are spent, or there are no more times. */
function endOf({ record, tick }: TickPlan): ScheduleFact {
  const { maxRuns } = record.declaration;
  const reason = maxRuns !== null && record.runs + tick.jobs.length >= maxRuns ? 'maxRuns' : 'times';
  return { schedule: record.name, what: 'ended', data: { schedule: record.name, reason } };
}
