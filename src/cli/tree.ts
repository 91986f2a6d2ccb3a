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
      const others = nodes
        .filter(isRecord)
        .map(({ name }) => cell(name))
        .filter((name) => !isRecord(answer) || name !== answer.node);
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
  const lines = branches(answer.children, '');
  const width = Math.max(0, ...lines.map(({ name }) => name.length));
  return [
    `${paint('bold', cell(answer.id))}${node}`,
    ...lines.map(({ name, child }) => `${name.padEnd(width)}  ${childText(child, paint)}`),
  ];
}

interface Branch {
  /** The child's id behind the lines that lead to it. */
  name: string;
  child: Readonly<Record<string, unknown>>;
}

function branches(children: unknown, indent: string): Branch[] {
  const known = Array.isArray(children) ? children.filter(isRecord) : [];
  return known.flatMap((child, index) => {
    const last = index === known.length - 1;
    const name = `${indent}${last ? '└─' : '├─'} ${cell(child.id)}`;
    return [{ name, child }, ...branches(child.children, `${indent}${last ? '   ' : '│  '}`)];
  });
}

function childText({ status, incarnation, restarts, lastReason }: Branch['child'], paint: Paint): string {
  const restarted = typeof restarts === 'number' && restarts > 0;
  const life = `incarnation ${cell(incarnation)}, restarts ${cell(restarts)}`;
  return [
    paint(status === 'running' ? 'green' : 'red', cell(status).padEnd(STATUS_WIDTH)),
    restarted ? paint('yellow', life) : life,
    ...(lastReason === undefined ? [] : [`last: ${cell(lastReason)}`]),
  ].join('  ');
}

/** The longest status, `restarting`. */
const STATUS_WIDTH = 10;
