import { isRecord } from '../kernel/check.ts';
import { defineCommand, EXIT } from './command.ts';
import { cell, cleanLines } from './display.ts';
import { SCHEDULE_WORD } from './schedule-verb.ts';
import { withSession } from './session.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';

const NAME_WIDTH = 12;

/** `rota schedules get`. */
export const schedulesGet = defineCommand({
  name: 'schedules get',
  summary: 'show all of a schedule',
  positionals: [SCHEDULE_WORD],
  flags: {},
  settings: CONNECTION_SETTINGS,
  examples: ['rota schedules get nightly', 'rota schedules get nightly --json | rota schedules put -'],
  run: (call) =>
    withSession(call, async ({ client }) => {
      const schedule: Readonly<Record<string, unknown>> = await client.schedules.get(call.positionals[0] ?? '');
      if (call.json) call.out.json(schedule);
      else {
        for (const [name, value] of Object.entries(schedule)) {
          if (value !== null) call.out.line(`${call.out.paint('dim', name.padEnd(NAME_WIDTH))}${fieldText(value)}`);
        }
      }
      return EXIT.ok;
    }),
});

/** A field's value; what has parts of its own spread over lines. */
function fieldText(value: unknown): string {
  if (!isRecord(value) || Object.values(value).every((part) => !isRecord(part))) return cell(value);
  return cleanLines(JSON.stringify(value, null, 2)).replaceAll('\n', `\n${' '.repeat(NAME_WIDTH)}`);
}
