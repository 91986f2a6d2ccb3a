import { RotaError } from '../../src/kernel/error.ts';
import type { BegunAnswer, JobStore, OnBegun, StoreReply, StoreRequest } from '../../src/store/job-store.ts';
import type { VirtualClock } from '../../src/testing/testing.ts';
import type { Chance } from './chance.ts';
import type { SimDatabase } from './sim-database.ts';
import type { SimProcess } from './sim-process.ts';

/** What goes wrong between one node and the database. */
export interface StoreTrouble {
  /** Groups fail before anything is written. */
  failing: boolean;
  /** The chance that a group is written and its answer lost. */
  lostAnswers: number;
  /** Until when nothing passes, in milliseconds of the world. */
  stalledUntilMs: number;
}

/** What a node's way to the database is made of. */
export interface NodeStoreWorld {
  process: SimProcess;
  database: SimDatabase;
  world: VirtualClock;
  chance: Chance;
  trouble: StoreTrouble;
  /** How long a group is under way each way, in milliseconds; 0: the store is in the node. */
  latencyMs: number;
  /** How long after it is written a group becomes durable, in milliseconds; 0: at once. */
  syncMs: number;
  /** More groups than any load here explains. */
  onSpin(words: string): void;
  /** A claim was answered before its group was durable. */
  onEarly(): void;
  onFault(what: 'store-fail' | 'store-stall' | 'store-lost-answer'): void;
}

/** How long a node waits for a store over a network, in milliseconds: what the PostgreSQL adapter does. A file is waited for. */
const ANSWER_MS_MAX = 10_000;
/** How often it is looked whether a stall is over, in milliseconds. */
const STALL_STEP_MS = 1_000;
/** How often one node may ask what is due, or who leads, within a second of the world. */
const LOOKS_A_SECOND_MAX = 100;

/** The database as one node has it: with its latency and its troubles. A group that was sent is written, also when its sender dies. */
export class NodeStore implements JobStore {
  readonly #parts: NodeStoreWorld;
  #second = 0;
  #looks = 0;
  #lost = false;

  constructor(parts: NodeStoreWorld) {
    this.#parts = parts;
    parts.database.open();
  }

  get capabilities() {
    return this.#parts.database.capabilities;
  }

  async perform(requests: readonly StoreRequest[], onBegun?: OnBegun): Promise<StoreReply[]> {
    const { process, database, trouble, world, chance, syncMs, onEarly, onFault } = this.#parts;
    if (!process.passes()) return new Promise(() => {});
    this.#count(requests);
    if (trouble.stalledUntilMs > world.monotonicMs()) onFault('store-stall');
    const givesUpAtMs = world.monotonicMs() + (database.capabilities.shared ? ANSWER_MS_MAX : Number.POSITIVE_INFINITY);
    // A stall may end before its time.
    for (let leftMs = 1; leftMs > 0; ) {
      leftMs = trouble.stalledUntilMs - world.monotonicMs();
      if (world.monotonicMs() >= givesUpAtMs) {
        throw await this.#inside(new RotaError('unavailable', 'the simulated store does not answer'));
      }
      if (leftMs > 0) await this.#rest(Math.min(leftMs, STALL_STEP_MS));
    }
    await this.#travel();
    if (trouble.failing) {
      onFault('store-fail');
      throw await this.#inside(new RotaError('unavailable', 'the simulated store fails'));
    }
    let begun: readonly BegunAnswer[] = [];
    const replies = await database.perform(requests, process.name, (claims) => {
      begun = claims;
    });
    if (!process.passes()) return new Promise(() => {});
    if (begun.length > 0 && syncMs > 0) {
      onEarly();
      await new Promise((resolve) => process.enter(() => resolve(onBegun?.(begun))));
      await this.#rest(syncMs);
      if (!process.passes()) return new Promise(() => {});
    }
    if (trouble.lostAnswers > 0 && chance.hits(trouble.lostAnswers)) {
      onFault('store-lost-answer');
      throw await this.#inside(new RotaError('unavailable', 'the simulated connection broke after the commit'));
    }
    await this.#travel();
    return this.#inside(replies);
  }

  /** Who asks one thing after the other without a rest goes unseen where time stands, and costs a fleet its database. */
  #count(requests: readonly StoreRequest[]): void {
    const { world, process, onSpin } = this.#parts;
    if (!requests.some(({ verb }) => verb === 'stage' || verb === 'lead')) return;
    const second = Math.floor(world.monotonicMs() / 1_000);
    if (second !== this.#second) [this.#second, this.#looks] = [second, 0];
    this.#looks += 1;
    if (this.#looks !== LOOKS_A_SECOND_MAX) return;
    onSpin(`asked the store ${this.#looks} times within a second what is due`);
    process.kill();
  }

  /** Whoever has it dies without a word: nothing that it kept in memory is written at its close. */
  lose(): void {
    this.#lost = true;
  }

  async close(): Promise<void> {
    const { process, database } = this.#parts;
    if (!process.dead && !this.#lost) await database.left(process.name);
  }

  async #travel(): Promise<void> {
    const { latencyMs, chance } = this.#parts;
    if (latencyMs > 0) await this.#rest(chance.between(1, latencyMs));
  }

  #rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#parts.world.setTimeout(resolve, ms);
    });
  }

  /** What comes back into the node. */
  #inside<T>(value: T): Promise<T> {
    return new Promise((resolve) => this.#parts.process.enter(() => resolve(value)));
  }
}
