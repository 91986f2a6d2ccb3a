import { isRecord } from '../kernel/check.ts';
import { durationText } from '../kernel/duration.ts';
import { defineCommand, EXIT } from './command.ts';
import { cell, relativeTime, shortTime } from './display.ts';
import { withSession } from './session.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';
import { stateStyle } from './state-style.ts';
import { type Column, writeTable } from './table.ts';

type Schedule = Readonly<Record<string, unknown>>;

/** `rota schedules`: what fires when. */
export const schedules = defineCommand({
  name: 'schedules',
  summary: 'list schedules with their next and last run',
  positionals: [],
  flags: {},
  settings: CONNECTION_SETTINGS,
  examples: ['rota schedules', 'rota schedules --json'],
  notes: ['"rota schedules get", "put", "pause", "resume", "run" and "delete" are for one; "preview" for none yet.'],
  run: (call) =>
    withSession(call, async ({ client }) => {
      const found = (await client.schedules.list()).filter(isRecord);
      if (call.json) call.out.json({ schedules: found });
      else writeTable(call.out, found, { columns: columnsAt(call.world.clock.now()), empty: 'no schedules' });
      return EXIT.ok;
    }),
});

function columnsAt(nowMs: number): Column<Schedule>[] {
  return [
    { title: 'NAME', text: ({ name }) => cell(name), shrinks: true },
    { title: 'SPEC', text: ({ spec }) => specText(spec) },
    { title: 'ZONE', text: ({ timezone }) => cell(timezone) },
    { title: 'NEXT', text: ({ nextAt }) => nextText(nextAt, nowMs) },
    { title: 'LAST', text: ({ lastAt }) => relativeTime(lastAt, nowMs) },
    { title: 'STATE', text: ({ lastState }) => cell(lastState), style: ({ lastState }) => stateStyle(lastState) },
    { title: 'PAUSED BY', text: ({ pausedBy }) => cell(pausedBy), style: () => 'yellow' },
  ];
}

function nextText(nextAt: unknown, nowMs: number): string {
  const relative = relativeTime(nextAt, nowMs);
  return relative === '' ? '' : `${shortTime(nextAt)} (${relative})`;
}

/** A spec as it is written in a config: the cron text, `every 5m`, `at 2026-…`. */
export function specText(spec: unknown): string {
  if (!isRecord(spec)) return '';
  if ('cron' in spec) return cell(spec.cron);
  if ('every' in spec) return `every ${typeof spec.every === 'number' ? durationText(spec.every) : cell(spec.every)}`;
  return `at ${shortTime(spec.at)}`;
}
