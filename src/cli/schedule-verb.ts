import type { CliClient } from './cli-world.ts';
import type { Call } from './command.ts';
import { EXIT } from './command.ts';
import { cell, relativeTime, shortTime } from './display.ts';
import { withSession } from './session.ts';

type Schedule = Awaited<ReturnType<CliClient['schedules']['get']>>;

/** The word of all verbs of one schedule. */
export const SCHEDULE_WORD = { name: 'NAME', required: true, what: 'its name' } as const;

/** Sends a verb of a schedule and writes the schedule as it stands then. */
export function runScheduleVerb(call: Call, send: (client: CliClient) => Promise<Schedule>): Promise<number> {
  return withSession(call, async ({ client }) => {
    const schedule = await send(client);
    if (call.json) call.out.json(schedule);
    else call.out.line(scheduleLine(schedule, call.world.clock.now()));
    return EXIT.ok;
  });
}

/** A schedule on one line: `nightly: next 2026-01-31 10:00:00Z (in 3m)`. */
function scheduleLine({ name, pausedBy, nextAt }: Schedule, nowMs: number): string {
  const next = nextAt === null ? 'never fires' : `next ${shortTime(nextAt)} (${relativeTime(nextAt, nowMs)})`;
  return `${cell(name)}: ${pausedBy === null ? next : `paused by ${cell(pausedBy)}`}`;
}
