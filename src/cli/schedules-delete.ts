import { defineCommand, EXIT } from './command.ts';
import { SCHEDULE_WORD } from './schedule-verb.ts';
import { withSession } from './session.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';

/** `rota schedules delete`. */
export const schedulesDelete = defineCommand({
  name: 'schedules delete',
  summary: 'remove a schedule that was put at run time',
  positionals: [SCHEDULE_WORD],
  flags: {},
  settings: CONNECTION_SETTINGS,
  examples: ['rota schedules delete watch-42'],
  notes: ['One that the config declares would come back: pause it, or remove it there.'],
  run: (call) =>
    withSession(call, async ({ client }) => {
      const [name = ''] = call.positionals;
      await client.schedules.delete(name);
      if (call.json) call.out.json({ deleted: true });
      else call.out.line(`${name} deleted`);
      return EXIT.ok;
    }),
});
