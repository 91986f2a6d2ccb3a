import { defineCommand } from './command.ts';
import { runScheduleVerb, SCHEDULE_WORD } from './schedule-verb.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';

/** `rota schedules pause`. */
export const schedulesPause = defineCommand({
  name: 'schedules pause',
  summary: 'let a schedule fire no more until it is resumed',
  positionals: [SCHEDULE_WORD],
  flags: {},
  settings: CONNECTION_SETTINGS,
  examples: ['rota schedules pause nightly'],
  notes: ['A pause of one that the config declares holds until its text there changes.'],
  run: (call) => runScheduleVerb(call, (client) => client.schedules.pause(call.positionals[0] ?? '')),
});
