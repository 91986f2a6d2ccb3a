import type { Job } from '../../src/job/job.ts';
import { isTerminal } from '../../src/job/state.ts';
import { nextOccurrence, occurrencesBetween, timetableOf } from '../../src/scheduler/occurrences.ts';
import type { JobPage, StoreAnswer } from '../../src/store/job-store.ts';
import type { ScheduleRecord } from '../../src/store/schedule-record.ts';
import type { CommitChecks } from './commit-checks.ts';
import type { Handlers } from './handlers.ts';
import type { Complain } from './job-history.ts';
import type { Load } from './load.ts';
import type { SimDatabase } from './sim-database.ts';
import { RUN_BY_HAND, STEADY_SCHEDULES } from './sim-jobs.ts';

/** What is looked at when all has come to rest. */
export interface EndWorld {
  database: SimDatabase;
  checks: CommitChecks;
  load: Load;
  handlers: Handlers;
  /** Terminal facts that somebody heard of, as `id run what`. */
  told: ReadonlySet<string>;
  complain: Complain;
  /** When schedules have ended, in milliseconds since the epoch. */
  scheduleEndAt: number;
  /** Until when ticks can have been looked at. */
  now: number;
  /** Wall clocks differ or jump: this shared store has no time of its own that nodes could follow. */
  clocksDiffer: boolean;
}

const PAGE = 500;
const TICKS_MAX = 100_000;

/** Everything that must hold once faults are healed and nothing is left to do. */
export async function checkEnd(world: EndWorld): Promise<void> {
  const rows = await allRows(world.database);
  checkRows(rows, world);
  await checkTold(world);
  await checkSchedules(world);
  checkPauses(world);
}

async function allRows(database: SimDatabase): Promise<Job[]> {
  const rows: Job[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const page = (await database.read({
      ...{ verb: 'list', filter: {}, limit: PAGE, order: 'asc' },
      ...(cursor === '' ? {} : { cursor }),
    })) as JobPage;
    rows.push(...page.jobs);
    cursor = page.cursor;
  }
  return rows;
}

function checkRows(rows: readonly Job[], { checks, load, handlers, complain }: EndWorld): void {
  const { history } = checks;
  history.compare(rows);
  const stored = new Map(rows.map((row) => [row.id, row]));
  for (const { id, acknowledged } of load.asked.values()) {
    const deleted = history.jobs.get(id)?.deleted ?? false;
    if (acknowledged && !deleted && !stored.has(id)) complain('no acknowledged job is lost', id, 'is not stored');
  }
  for (const row of rows) {
    const asked = load.asked.get(row.id);
    if (asked === undefined && row.schedule === null && !handlers.wanted.has(row.id)) {
      complain('none unexpected', row.id, `nobody asked for this ${row.type}`);
    }
    if (!isTerminal(row.state)) complain('everything drains', row.id, `is ${row.state} in ${row.queue} (${row.type})`);
    if (row.state === 'discarded' && row.type === 'work' && row.attempt < row.maxAttempts) {
      complain('attempts are used', row.id, `was discarded at attempt ${row.attempt} of ${row.maxAttempts}`);
    }
    if (row.state === 'discarded' && row.type === 'parent') {
      complain('handlers enqueue', row.id, `never could: ${row.errors.at(-1)?.message}`);
    }
    if (row.state === 'cancelled' && row.type === 'work' && row.schedule === null && asked && !asked.disturbed) {
      const late = row.errors.some(({ kind }) => kind === 'cancelled') || row.deadlineAt !== null;
      if (!late) complain('nobody else cancels', row.id, 'was cancelled and nobody asked');
    }
  }
}

/** Every way into a terminal state was heard of: what one cannot tell, for it stays cut off, another owner tells. */
async function checkTold({ database, checks, told, complain }: EndWorld): Promise<void> {
  const read = await database.read({ verb: 'unannounced', after: 0, limit: TICKS_MAX });
  const outbox = new Set((read as StoreAnswer<'unannounced'>).map(({ id, run, what }) => `${id} ${run} ${what}`));
  for (const end of checks.history.ends) {
    if (told.has(end)) continue;
    complain('every end is announced', end.split(' ')[0] ?? '', `nobody heard of "${end}"`);
  }
  for (const end of outbox) complain('the outbox is empty', end, 'is still to be announced');
}

async function checkSchedules({ database, checks, complain, scheduleEndAt, now }: EndWorld): Promise<void> {
  const read = await database.read({ verb: 'schedules', limit: PAGE });
  const { schedules } = read as StoreAnswer<'schedules'>;
  for (const name of STEADY_SCHEDULES) {
    const record = schedules.find((one) => one.name === name);
    const from = checks.cursorsFrom.get(name);
    if (record === undefined || from === undefined) complain('every tick is accounted for', name, 'is not stored');
    else checkTicks(record, { from, until: Math.min(scheduleEndAt, now), complain });
    const made = [...checks.history.jobs.values()].filter(({ schedule }) => schedule === name).length;
    // What operators ran by hand counts as nobody's tick.
    const known = RUN_BY_HAND.includes(name) ? made >= (record?.runs ?? 0) : made === record?.runs;
    if (!known) complain('every tick is accounted for', name, `made ${made} jobs and counts ${record?.runs}`);
  }
}

/**
 * No tick that was due within a pause made a job, also not later: a resume leaves out what was missed. What was missed is
 * by the clock of the node that serves the resume, so it is only looked at where clocks agree.
 */
function checkPauses({ checks, load, complain, clocksDiffer }: EndWorld): void {
  if (clocksDiffer) return;
  for (const { schedule, id, tickAt } of checks.history.jobs.values()) {
    for (const { from, until } of load.pausesOf(schedule ?? '')) {
      if (tickAt === undefined || tickAt <= from || tickAt >= until) continue;
      complain(
        'a pause makes no job',
        id,
        `is of the tick of ${schedule} at ${tickAt}, paused from ${from} to ${until}`,
      );
    }
  }
}

function checkTicks(
  record: ScheduleRecord,
  { from, until, complain }: { from: number; until: number; complain: Complain },
): void {
  const timetable = timetableOf(record);
  const due = occurrencesBetween(timetable, { afterMs: from, untilMs: until, limit: TICKS_MAX }).length;
  const { runs, skipped, missed, name, cursorAt } = record;
  const next = nextOccurrence(timetable, cursorAt);
  if (next !== undefined && next <= until)
    complain('every tick is accounted for', name, `the tick at ${next} was not looked at`);
  const told = `${runs} made a job, ${skipped} were skipped, ${missed} missed`;
  if (runs + skipped + missed !== due) complain('every tick is accounted for', name, `${due} were due: ${told}`);
}
