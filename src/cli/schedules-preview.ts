import type { CliClient } from './cli-world.ts';
import { defineCommand, EXIT, type Flags, type FlagValues } from './command.ts';
import { timeFlag, wholeNumber } from './flag-values.ts';
import { withSession } from './session.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';

const FLAGS = {
  timezone: { type: 'string', value: 'ZONE', what: 'an IANA zone, like Europe/Berlin' },
  'day-match': { type: 'string', value: 'either|both', what: 'how day-of-month and day-of-week go together' },
  'dst-gap': { type: 'string', value: 'next|skip', what: 'what becomes of a time that a clock change leaves out' },
  'dst-repeat': { type: 'string', value: 'first|second|both', what: 'and of one that it brings twice' },
  from: { type: 'string', value: 'TIME', what: 'after this time, default now' },
  count: { type: 'string', value: 'N', what: 'so many, default 10' },
} as const satisfies Flags;

type Query = Parameters<CliClient['schedules']['preview']>[0];
const COUNT_MAX = 1_000;

/** `rota schedules preview`. */
export const schedulesPreview = defineCommand({
  name: 'schedules preview',
  summary: 'tell when a spec would fire',
  positionals: [{ name: 'SPEC', required: true, what: 'a cron text, "every 5m" or "at 2026-01-31T10:00:00Z"' }],
  flags: FLAGS,
  settings: CONNECTION_SETTINGS,
  examples: [`rota schedules preview '0 3 * * MON-FRI' --timezone Europe/Berlin`, `rota schedules preview 'every 90m'`],
  run: (call) => {
    const query = previewQuery(call.positionals[0] ?? '', call.flags);
    return withSession(call, async ({ client }) => {
      const times = await client.schedules.preview(query);
      if (call.json) call.out.json({ times });
      else if (times.length === 0) call.out.note('never');
      else for (const time of times) call.out.line(time);
      return EXIT.ok;
    });
  },
});

function previewQuery(text: string, flags: FlagValues<typeof FLAGS>): Query {
  const { timezone, from, count } = flags;
  const dst = {
    ...(flags['dst-gap'] === undefined ? {} : { gap: flags['dst-gap'] }),
    ...(flags['dst-repeat'] === undefined ? {} : { repeat: flags['dst-repeat'] }),
  };
  const dayMatch = flags['day-match'];
  // Words that only the other end knows are checked there.
  return {
    spec: specOf(text),
    ...(timezone === undefined ? {} : { timezone }),
    ...(Object.keys(dst).length === 0 ? {} : { dst }),
    ...(dayMatch === undefined ? {} : { dayMatch }),
    ...(from === undefined ? {} : { from: timeFlag('--from', from) }),
    ...(count === undefined ? {} : { count: wholeNumber('--count', count, COUNT_MAX) }),
  } as Query;
}

function specOf(text: string): Query['spec'] {
  const [, word, rest] = /^\s*(every|at)\s+(\S+)\s*$/.exec(text) ?? [];
  if (word === 'every' && rest !== undefined) return { every: rest as `${number}m` };
  return word === 'at' && rest !== undefined ? { at: rest } : { cron: text };
}
