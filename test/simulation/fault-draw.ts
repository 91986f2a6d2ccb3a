import type { LinkFaults } from '../../src/messaging/memory/memory-link.ts';
import type { Chance } from './chance.ts';
import type { BusyPhase } from './phases.ts';
import type { Fault, FaultKind, Mode, NodePlan } from './plan.ts';

const QUEUES = ['work', 'slow', 'capped', 'rated', 'tenants'];
/** Children of the root that may be made to crash, as paths of ids. */
const PARTS: readonly [readonly string[], ...(readonly string[])[]] = [
  ['connection'],
  // What it keeps in memory is lost with it, and built again.
  ...[['persistence'], ['persistence'], ['persistence']],
  ['node'],
  ['intake'],
  ['queues', 'steward'],
  ...QUEUES.flatMap((queue) => [
    ['queues', `queue:${queue}`, 'executor'],
    ['queues', `queue:${queue}`, 'queue'],
  ]),
  ['scheduling', 'scheduler'],
  ['scheduling', 'janitor'],
];

/** At most one fault in so much of the busy time begins, on an average, in milliseconds. */
const FAULT_EVERY_MS = 30_000;

/** What faults are drawn for. */
export interface FaultWorld {
  nodes: readonly NodePlan[];
  activeMs: number;
  phases: readonly [BusyPhase, ...BusyPhase[]];
  clocksDiffer: boolean;
  mode: Mode;
}

const KINDS: readonly FaultKind[] = [
  ...(['partition', 'freeze', 'store-fail', 'store-stall', 'store-lost-answer', 'link', 'broker-down'] as const),
  ...(['kill', 'restart', 'crash', 'jump'] as const),
];

/** Each seed has its own choice of kinds (swarm testing): where all kinds happen at once, some hide what others would show. */
export function faultsOf(chance: Chance, world: FaultWorld): Fault[] {
  const kinds = KINDS.filter((kind) => (kind === 'jump' ? world.clocksDiffer : true) && chance.hits(0.6));
  const [first, ...rest] = kinds;
  if (first === undefined) return [];
  const busyMs = world.phases.reduce((ms, { fromMs, untilMs }) => ms + untilMs - fromMs, 0);
  const count = chance.between(4, Math.max(6, Math.round(busyMs / FAULT_EVERY_MS)));
  const faults = Array.from({ length: count }, () => faultOf(chance, chance.of([first, ...rest]), world));
  const lasting = world.mode === 'liveness' ? lastingFaults(chance, world) : [];
  return [...faults, ...lasting].sort((a, b) => a.atMs - b.atMs);
}

/** One that stays with a node which the others can do without. */
function lastingFaults(chance: Chance, { nodes, activeMs }: FaultWorld): Fault[] {
  const spare = nodes.findLast(({ roles }) => nodes.filter((other) => other.roles.length >= roles.length).length > 1);
  if (spare === undefined) return [];
  const when = { atMs: chance.between(activeMs / 4, activeMs / 2), forMs: Number.POSITIVE_INFINITY };
  const node = spare.name;
  return [
    chance.of<Fault>([
      { ...when, kind: 'kill', node, afterPasses: 0, version: 'a' },
      { ...when, kind: 'partition', node },
      { ...when, kind: 'freeze', node },
      { ...when, kind: 'link', from: node, faults: { duplicate: 0.3, reorder: 0.3, delayMs: [0, 400] } },
    ]),
  ];
}

/** Most faults meet work; the others meet a fleet that waits. */
function faultTime(chance: Chance, { activeMs, phases }: FaultWorld): number {
  if (chance.hits(0.25)) return chance.between(3_000, activeMs);
  const { fromMs, untilMs } = chance.of(phases);
  return chance.between(Math.max(3_000, fromMs), untilMs);
}

function faultOf(chance: Chance, kind: FaultKind, world: FaultWorld): Fault {
  const { nodes } = world;
  const [one, ...others] = nodes.map(({ name }) => name);
  const names: [string, ...string[]] = [one ?? '', ...others];
  const owners = nodes.filter(({ roles }) => roles.includes('store')).map(({ name }) => name);
  // Where the store is there is more to break.
  const node = chance.hits(0.4) ? chance.of([owners[0] ?? names[0], ...owners.slice(1)]) : chance.of(names);
  // Short ones pass unnoticed, long ones outlive leases and leads.
  const forMs = chance.of([chance.between(50, 5_000), chance.between(5_000, 60_000), chance.between(60_000, 240_000)]);
  const when = { atMs: faultTime(chance, world), forMs };
  const version = chance.of(['a', 'b'] as const);
  switch (kind) {
    case 'link':
      return { ...when, kind, ...linkEnds(chance, names), faults: linkFaults(chance) };
    case 'broker-down':
      return { ...when, kind };
    case 'store-lost-answer':
      return { ...when, kind, node, chance: chance.of([0.1, 0.5]) };
    case 'kill':
      return { ...when, kind, node, afterPasses: chance.of([0, chance.between(1, 40)]), version };
    case 'restart':
      return { ...when, kind, node, version };
    case 'jump':
      return { ...when, kind, node, byMs: chance.of([-240_000, -3_000, 3_000, 180_000]) };
    case 'crash':
      return { ...when, kind, node, path: chance.of(PARTS), times: chance.of([1, 1, 2, 7]) };
    default:
      return { ...when, kind, node };
  }
}

function linkEnds(chance: Chance, names: [string, ...string[]]): { from?: string; to?: string } {
  const end = (): string => (chance.hits(0.2) ? 'client' : chance.of(names));
  return chance.of<{ from?: string; to?: string }>([{}, { from: end() }, { to: end() }, { from: end(), to: end() }]);
}

function linkFaults(chance: Chance): LinkFaults {
  const some = (value: number): number => (chance.hits(0.5) ? value : 0);
  const maxMs = chance.of([0, 20, 500, 4_000]);
  return { drop: some(0.15), duplicate: some(0.2), reorder: some(0.3), delayMs: [0, maxMs] };
}
