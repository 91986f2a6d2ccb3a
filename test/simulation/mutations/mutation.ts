import type { DatabaseSync } from 'node:sqlite';
import type { Bus } from '../../../src/messaging/bus.ts';
import type { MemoryBroker } from '../../../src/messaging/memory/memory-broker.ts';
import type { JobStore } from '../../../src/store/job-store.ts';
import type { VirtualClock } from '../../../src/testing/testing.ts';
import type { SimDatabase } from '../sim-database.ts';
import type { SimProcess } from '../sim-process.ts';

/** What a mutated node's store can reach. */
export interface MutatedNode {
  process: SimProcess;
  database: SimDatabase;
  world: VirtualClock;
  broker: MemoryBroker;
}

/** A bug that is planted beside the code, to see that the simulation finds it. */
export interface Mutation {
  name: string;
  /** What it does wrong. */
  what: string;
  /** Runs in which it must be found. */
  seedsMax: number;
  /** Puts itself before the database, for all nodes, unseen by the checks of what was asked. */
  store?(store: JobStore): JobStore;
  /** Happens to the database whenever its only owner starts again. */
  reopened?(db: DatabaseSync): void;
  /** Puts itself between one node and the database. */
  nodeStore?(store: JobStore, node: MutatedNode): JobStore;
  /** Puts itself between one node and the broker. */
  bus?(bus: Bus): Bus;
}
