import { isRecord } from '../kernel/check.ts';
import { RotaError } from '../kernel/error.ts';
import { defineCommand, EXIT, type Flags } from './command.ts';
import { cell } from './display.ts';
import type { Paint } from './output.ts';
import { withSession } from './session.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';

const FLAGS = {
  node: { type: 'string', value: 'NAME', what: 'the tree of this node; default: of the one that answers' },
} as const satisfies Flags;

/** `rota tree`: the supervision tree of a node. */
export const tree = defineCommand({
  name: 'tree',
  summary: 'draw the supervision tree of a node',
  positionals: [],
  flags: FLAGS,
  settings: CONNECTION_SETTINGS,
  examples: ['rota tree', 'rota tree --node laptop --json'],
  run: (call) =>
    withSession(call, async ({ client }) => {
      const [answer, nodes] = await Promise.all([client.nodes.tree(call.flags.node), client.nodes.list()]);
      if (call.json) call.out.json(answer);
      else call.out.line(treeText(answer, call.out.paint).join('\n'));
      const others = nodes.map(({ name }) => cell(name)).filter((name) => !isRecord(answer) || name !== answer.node);
      if (!call.json && others.length > 0) call.out.note(`other nodes: ${others.join(', ')} (see --node)`);
      return EXIT.ok;
    }),
});

/**
 * The lines of a tree as it is drawn.
 * @throws RotaError `unavailable` when it is none
 */
export function treeText(answer: unknown, paint: Paint): string[] {
  if (!isRecord(answer) || typeof answer.id !== 'string') {
    throw new RotaError('unavailable', 'the node has no supervision tree at the moment');
  }
  const node = typeof answer.node === 'string' ? ` on ${cell(answer.node)}` : '';
  return [`${paint('bold', cell(answer.id))}${node}`, ...branches(answer.children, '', paint)];
}

function branches(children: unknown, indent: string, paint: Paint): string[] {
  const known = Array.isArray(children) ? children.filter(isRecord) : [];
  return known.flatMap((child, index) => {
    const last = index === known.length - 1;
    const line = `${indent}${last ? '└─' : '├─'} ${childText(child, paint)}`;
    return [line, ...branches(child.children, `${indent}${last ? '   ' : '│  '}`, paint)];
  });
}

function childText(child: Readonly<Record<string, unknown>>, paint: Paint): string {
  const { id, status, incarnation, restarts, lastReason } = child;
  const restarted = typeof restarts === 'number' && restarts > 0;
  const parts = [
    cell(id),
    paint(status === 'running' ? 'green' : 'red', cell(status)),
    restarted
      ? paint('yellow', `incarnation ${cell(incarnation)}, ${restarts} restarts`)
      : `incarnation ${cell(incarnation)}`,
    lastReason === undefined ? '' : `last: ${cell(lastReason)}`,
  ];
  return parts.filter((part) => part !== '').join('  ');
}
