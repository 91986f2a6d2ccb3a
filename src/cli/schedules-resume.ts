import { defineCommand } from './command.ts';
import { runScheduleVerb, SCHEDULE_WORD } from './schedule-verb.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';

/** `rota schedules resume`. */
export const schedulesResume = defineCommand({
  name: 'schedules resume',
  summary: 'let a schedule fire again from now on',
  positionals: [SCHEDULE_WORD],
  flags: {},
  settings: CONNECTION_SETTINGS,
  examples: ['rota schedules resume nightly'],
  notes: ['Nothing is made up for.'],
  run: (call) => runScheduleVerb(call, (client) => client.schedules.resume(call.positionals[0] ?? '')),
});
