import { isRecord } from '../kernel/check.ts';
import { defineCommand, EXIT } from './command.ts';
import { cell, relativeTime } from './display.ts';
import { withSession } from './session.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';
import { type Column, writeTable } from './table.ts';

type Rejected = Readonly<Record<string, unknown>>;

/** `rota rejected`: what the durable intake refused. */
export const rejected = defineCommand({
  name: 'rejected',
  summary: 'list messages of the durable intake that became no job',
  positionals: [],
  flags: {},
  settings: CONNECTION_SETTINGS,
  examples: ['rota rejected', 'rota rejected --json'],
  run: (call) =>
    withSession(call, async ({ client }) => {
      const found = (await client.rejected.list()).filter(isRecord);
      if (call.json) call.out.json({ rejected: found });
      else writeTable(call.out, found, { columns: columnsAt(call.world.clock.now()), empty: 'nothing was rejected' });
      return EXIT.ok;
    }),
});

function columnsAt(nowMs: number): Column<Rejected>[] {
  return [
    { title: 'AT', text: ({ at }) => relativeTime(at, nowMs) },
    { title: 'QUEUE', text: ({ queue }) => cell(queue) },
    { title: 'MESSAGE ID', text: ({ msgId }) => cell(msgId) },
    { title: 'CODE', text: ({ code }) => cell(code), style: () => 'red' },
    { title: 'WHY', text: ({ message }) => cell(message), shrinks: true },
  ];
}
