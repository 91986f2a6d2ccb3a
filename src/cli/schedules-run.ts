import { defineCommand, EXIT, type Flags } from './command.ts';
import { cell } from './display.ts';
import { jobId } from './job-filter.ts';
import { SCHEDULE_WORD } from './schedule-verb.ts';
import { withSession } from './session.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';

const FLAGS = {
  id: { type: 'string', value: 'UUID', what: "the job's id, a UUIDv7; the same id again answers the existing job" },
} as const satisfies Flags;

/** `rota schedules run`. */
export const schedulesRun = defineCommand({
  name: 'schedules run',
  summary: "make a schedule's job now",
  positionals: [SCHEDULE_WORD],
  flags: FLAGS,
  settings: CONNECTION_SETTINGS,
  examples: ['rota schedules run nightly'],
  notes: ['Also of one that is paused; its ticks, overlap and number of runs are untouched.'],
  run: (call) => {
    const id = call.flags.id === undefined ? undefined : jobId(call.flags.id);
    return withSession(call, async ({ client }) => {
      const job = await client.schedules.run(call.positionals[0] ?? '', id === undefined ? {} : { id });
      if (call.json) call.out.json(job);
      else call.out.line(`${cell(job.id)} ${cell(job.state)}`);
      return EXIT.ok;
    });
  },
});
