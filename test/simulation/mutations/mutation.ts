import type { DatabaseSync } from 'node:sqlite';
import type { Bus } from '../../../src/messaging/bus.ts';
import type { MemoryBroker } from '../../../src/messaging/memory/memory-broker.ts';
import type { JobStore } from '../../../src/store/job-store.ts';
import type { VirtualClock } from '../../../src/testing/testing.ts';
import type { SimDatabase } from '../sim-database.ts';
import type { SimProcess } from '../sim-process.ts';
import type { SourceEdit } from './source-edit.ts';

/** What a mutated node's store can reach. */
export interface MutatedNode {
  process: SimProcess;
  database: SimDatabase;
  world: VirtualClock;
  broker: MemoryBroker;
}

/** A bug that is planted, to see that the simulation finds it: beside the code, or in its source. */
export interface PlantedBug {
  name: string;
  /** What it does wrong. */
  what: string;
  /** Puts itself before the database, for all nodes, unseen by the checks of what was asked. */
  store?(store: JobStore): JobStore;
  /** Happens to the database whenever its only owner starts again. */
  reopened?(db: DatabaseSync): void;
  /** Puts itself between one node and the database. */
  nodeStore?(store: JobStore, node: MutatedNode): JobStore;
  /** Puts itself between one node and the broker. */
  bus?(bus: Bus): Bus;
  /** Stands in the source. */
  edits?: readonly SourceEdit[];
}

/** A bug that was thought of, and is looked for in one seed after the other. */
export interface Mutation extends PlantedBug {
  /** Runs in which it must be found. */
  seedsMax: number;
}

/** A bug that was there and that the simulation found. The kept seed that names it finds it again. */
export interface FoundBug extends PlantedBug {
  edits: readonly SourceEdit[];
  /** The file with the test of its own that failed before it was mended; undefined: nothing smaller than a run shows it. */
  test: string | undefined;
}
