import type { LinkFaults } from '../../src/messaging/memory/memory-link.ts';
import { Chance, streamOf } from './chance.ts';
import { faultsOf } from './fault-draw.ts';
import { type BusyPhase, phasesOf } from './phases.ts';

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
  /** When much is asked for. */
  phases: readonly BusyPhase[];
  storeLatencyMs: number;
  /** How long after it is written a group becomes durable; 0: at once. */
  syncMs: number;
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
/** How long a run is active unless told otherwise, in milliseconds. */
export const ACTIVE_MS = 90 * 60_000;

/** Draws a world from a seed. */
export function planOf(seed: number, mode: Mode, activeMs: number = ACTIVE_MS): Plan {
  const chance = new Chance(streamOf(seed, 'plan'));
  const topology = chance.of(['owned', 'shared'] as const);
  const clocksDiffer = chance.hits(0.35);
  const nodes = nodesOf(chance, topology, clocksDiffer);
  const phases = phasesOf(chance, activeMs);
  const faults = faultsOf(chance, { nodes, activeMs, phases, clocksDiffer, mode });
  return {
    ...{ seed, mode, topology, activeMs, phases, nodes, faults },
    startAt: chance.of(STARTS),
    storeLatencyMs: topology === 'owned' ? 0 : chance.of([2, 20, 200]),
    syncMs: topology === 'owned' ? new Chance(streamOf(seed, 'log')).of([0, 0, 1, 4]) : 0,
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
