import { isRecord } from '../kernel/check.ts';
import { durationText } from '../kernel/duration.ts';
import { defineCommand, EXIT } from './command.ts';
import { cell, relativeTime } from './display.ts';
import { withSession } from './session.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';
import { type Column, writeTable } from './table.ts';

type LivingNode = Readonly<Record<string, unknown>>;

/** `rota nodes`: who is there. */
export const nodes = defineCommand({
  name: 'nodes',
  summary: 'list the living nodes',
  positionals: [],
  flags: {},
  settings: CONNECTION_SETTINGS,
  examples: ['rota nodes'],
  run: (call) =>
    withSession(call, async ({ client }) => {
      const found = (await client.nodes.list()).filter(isRecord);
      if (call.json) call.out.json({ nodes: found });
      else writeTable(call.out, found, { columns: columnsAt(call.world.clock.now()), empty: 'no nodes' });
      return EXIT.ok;
    }),
});

function columnsAt(nowMs: number): Column<LivingNode>[] {
  return [
    { title: 'NAME', text: ({ name }) => cell(name) },
    { title: 'VERSION', text: ({ version }) => cell(version) },
    { title: 'UP', text: ({ uptimeMs }) => (typeof uptimeMs === 'number' ? durationText(uptimeMs) : '') },
    { title: 'LAST BEAT', text: ({ lastBeat }) => relativeTime(lastBeat, nowMs) },
    { title: 'LEADER', text: ({ leader }) => (leader === true ? 'leads' : ''), style: () => 'green' },
    { title: 'ROLES', text: ({ roles }) => (Array.isArray(roles) ? roles.map(cell).join(',') : ''), shrinks: true },
  ];
}
