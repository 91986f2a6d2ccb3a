import { isRecord } from '../kernel/check.ts';
import type { CliClient } from './cli-world.ts';
import { defineCommand } from './command.ts';
import { readJson } from './json-input.ts';
import { runScheduleVerb } from './schedule-verb.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';
import { UsageError } from './usage-error.ts';

type Put = Parameters<CliClient['schedules']['put']>[0];

/** `rota schedules put`. */
export const schedulesPut = defineCommand({
  name: 'schedules put',
  summary: 'add or change a schedule',
  positionals: [
    { name: 'JSON', required: true, what: 'all of it: name, spec, job and policies; "-" reads it from standard input' },
  ],
  flags: {},
  settings: CONNECTION_SETTINGS,
  examples: [
    `rota schedules put '{"name":"watch-42","spec":{"every":"5m"},"job":{"type":"watch","args":{"id":42}}}'`,
    'rota schedules get nightly --json | rota schedules put -',
  ],
  run: async (call) => {
    const [text = ''] = call.positionals;
    const schedule = readJson(text === '-' ? await call.world.readStdin() : text, 'the text of the schedule');
    if (!isRecord(schedule))
      throw new UsageError('a schedule is a JSON object', '"rota schedules get NAME --json" shows one');
    // What is in it is checked at the other end, every fault with its field.
    return runScheduleVerb(call, (client) => client.schedules.put(schedule as unknown as Put));
  },
});
