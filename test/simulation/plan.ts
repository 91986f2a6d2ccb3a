import type { LinkFaults } from '../../src/messaging/memory/memory-link.ts';
import { Chance, streamOf } from './chance.ts';

/** `safety`: every fault heals before the end. `liveness`: some stay, and the rest must get on. */
export type Mode = 'safety' | 'liveness';

/** One node of the world. */
export interface NodePlan {
  name: string;
  roles: readonly string[];
  route: 'local' | 'broker';
  skewMs: number;
  rate: number;
}

/** One thing that goes wrong: when, and until when it does (`forMs`; infinite: for good). All of it is data, so that it can be left out. */
export type Fault = { atMs: number; forMs: number } & (
  | { kind: 'partition' | 'freeze' | 'store-fail' | 'store-stall'; node: string }
  | { kind: 'store-lost-answer'; node: string; chance: number }
  | { kind: 'link'; from?: string; to?: string; faults: LinkFaults }
  | { kind: 'broker-down' }
  | { kind: 'kill'; node: string; afterPasses: number; version: Version }
  | { kind: 'restart'; node: string; version: Version }
  | { kind: 'jump'; node: string; byMs: number }
  | { kind: 'crash'; node: string; path: readonly string[]; times: number }
);
export type FaultKind = Fault['kind'];

/** Which job types and schedules a node knows. */
export type Version = 'a' | 'b';

/** A world and everything that will happen to it, drawn from one seed. */
export interface Plan {
  seed: number;
  mode: Mode;
  /** `owned`: the store lives in one node. `shared`: several nodes reach it over a network. */
  topology: 'owned' | 'shared';
  /** When the world begins, in milliseconds since the epoch. */
  startAt: number;
  /** How long load and faults go on. */
  activeMs: number;
  /** Mean time between two things that clients do. */
  loadMs: number;
  storeLatencyMs: number;
  nodes: readonly NodePlan[];
  faults: readonly Fault[];
  /** Wall clocks differ or jump, so what is counted by them is not exact. */
  clocksDiffer: boolean;
}

/** Near the days on which Berlin's clock is changed, the turn of a year and a leap day. */
const STARTS: readonly [number, ...number[]] = [
  Date.UTC(2026, 2, 29, 0, 52),
  Date.UTC(2026, 9, 25, 0, 20),
  Date.UTC(2026, 11, 31, 22, 55),
  Date.UTC(2028, 1, 28, 23, 50),
  Date.UTC(2026, 5, 15, 12, 0),
];

const ALL = ['store', 'intake', 'queues', 'scheduler'] as const;
/** The roles of each node. */
type Fleet = readonly (readonly string[])[];
const SHARED: readonly [Fleet, ...Fleet[]] = [
  [ALL, ALL, ['queues']],
  [ALL, ALL],
];
const OWNED: readonly [Fleet, ...Fleet[]] = [
  [ALL, ['queues']],
  [
    ['store', 'intake'],
    ['queues', 'scheduler', 'intake'],
    ['queues', 'scheduler'],
  ],
  [['store', 'scheduler'], ALL.slice(1), ['intake']],
];
const QUEUES = ['work', 'slow', 'capped', 'rated', 'tenants'];
/** Children of the root that may be made to crash, as paths of ids. */
const PARTS: readonly [readonly string[], ...(readonly string[])[]] = [
  ['connection'],
  ['persistence'],
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

/** How long a run is active unless told otherwise, in milliseconds. */
export const ACTIVE_MS = 40 * 60_000;

/** Draws a world from a seed. */
export function planOf(seed: number, mode: Mode, activeMs: number = ACTIVE_MS): Plan {
  const chance = new Chance(streamOf(seed, 'plan'));
  const topology = chance.of(['owned', 'shared'] as const);
  const clocksDiffer = chance.hits(0.4);
  const nodes = nodesOf(chance, topology, clocksDiffer);
  const faults = faultsOf(chance, { nodes, activeMs, clocksDiffer, mode });
  return {
    ...{ seed, mode, topology, activeMs, nodes, faults },
    startAt: chance.of(STARTS),
    loadMs: chance.of([2_000, 6_000, 20_000]),
    storeLatencyMs: topology === 'owned' ? 0 : chance.of([2, 20, 200]),
    clocksDiffer: clocksDiffer || faults.some(({ kind }) => kind === 'jump'),
  };
}

function nodesOf(chance: Chance, topology: Plan['topology'], clocksDiffer: boolean): NodePlan[] {
  const roles = chance.of(topology === 'shared' ? SHARED : OWNED);
  return roles.map((own, index) => ({
    name: `n${index + 1}`,
    roles: own,
    route: chance.hits(0.25) ? 'broker' : 'local',
    // Small differences are within the doubt in which nodes leave their clocks alone.
    skewMs: clocksDiffer ? chance.of([chance.between(-1_500, 1_500), chance.between(-120, 120)]) : 0,
    rate: clocksDiffer ? 1 + chance.between(-200, 200) / 1e6 : 1,
  }));
}

interface FaultWorld {
  nodes: readonly NodePlan[];
  activeMs: number;
  clocksDiffer: boolean;
  mode: Mode;
}

const KINDS: readonly FaultKind[] = [
  ...(['partition', 'freeze', 'store-fail', 'store-stall', 'store-lost-answer', 'link', 'broker-down'] as const),
  ...(['kill', 'restart', 'crash', 'jump'] as const),
];

/** Each seed has its own choice of kinds (swarm testing): where all kinds happen at once, some hide what others would show. */
function faultsOf(chance: Chance, world: FaultWorld): Fault[] {
  const kinds = KINDS.filter((kind) => (kind === 'jump' ? world.clocksDiffer : true) && chance.hits(0.6));
  const [first, ...rest] = kinds;
  if (first === undefined) return [];
  const count = chance.between(4, Math.max(6, Math.round(world.activeMs / 90_000)));
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

function faultOf(chance: Chance, kind: FaultKind, { nodes, activeMs }: FaultWorld): Fault {
  const [one, ...others] = nodes.map(({ name }) => name);
  const names: [string, ...string[]] = [one ?? '', ...others];
  const node = chance.of(names);
  // Short ones pass unnoticed, long ones outlive leases and leads.
  const forMs = chance.of([chance.between(50, 5_000), chance.between(5_000, 60_000), chance.between(60_000, 240_000)]);
  const when = { atMs: chance.between(3_000, activeMs), forMs };
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
