import { isRecord } from '../kernel/check.ts';
import { defineCommand, EXIT } from './command.ts';
import { cell } from './display.ts';
import { withSession } from './session.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';
import { type Column, writeTable } from './table.ts';

type Queue = Readonly<Record<string, unknown>>;

const count = (state: string): Column<Queue> => ({
  title: state.toUpperCase(),
  text: ({ counts }) => (isRecord(counts) ? cell(counts[state]) : ''),
  right: true,
});

const COLUMNS: readonly Column<Queue>[] = [
  { title: 'NAME', text: ({ name }) => cell(name), shrinks: true },
  { title: 'LIMIT', text: ({ limit }) => cell(limit), right: true },
  ...['available', 'executing', 'scheduled', 'retryable', 'completed', 'discarded', 'cancelled'].map(count),
  { title: 'PAUSED', text: ({ paused }) => (paused === true ? 'paused' : ''), style: () => 'yellow' },
  { title: 'NODES', text: ({ nodes }) => (Array.isArray(nodes) ? nodes.map(cell).join(',') : '') },
];

/** `rota queues`: the queues with what is in them. */
export const queues = defineCommand({
  name: 'queues',
  summary: 'list queues and what is in them',
  positionals: [],
  flags: {},
  settings: CONNECTION_SETTINGS,
  examples: ['rota queues'],
  notes: ['"rota queues pause", "resume", "scale", "limit" and "purge" control one of them.'],
  run: (call) =>
    withSession(call, async ({ client }) => {
      const found = (await client.queues.list()).filter(isRecord);
      if (call.json) call.out.json({ queues: found });
      else writeTable(call.out, found, { columns: COLUMNS, empty: 'no queues' });
      return EXIT.ok;
    }),
});
