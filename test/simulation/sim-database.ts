import type { DatabaseSync } from 'node:sqlite';
import type { Random } from '../../src/kernel/identity.ts';
import type { BegunAnswer, JobStore, StoreReply, StoreRequest } from '../../src/store/job-store.ts';
import { openDatabase } from '../../src/store/sqlite/database.ts';
import { sqliteStoreOver } from '../../src/store/sqlite/sqlite-store.ts';
import type { VirtualClock } from '../../src/testing/testing.ts';
import type { PlantedBug } from './mutations/mutation.ts';
import { OutboxOwners } from './outbox-owners.ts';

/** Hears of every group right after its commit and before anybody else does, with a way to read the rows as they are. */
export interface CommitListener {
  committed(requests: readonly StoreRequest[], replies: readonly StoreReply[], by: string): Promise<void>;
}

/** What a world's database is made of. */
export interface DatabaseWorld {
  clock: VirtualClock;
  random: Random;
  /** Several nodes own the store at once. */
  shared: boolean;
  mutation: PlantedBug | undefined;
  /** Its only owner died and another one opens it. */
  onTakenOver(): void;
}

/** So few that lines of partitions are set aside and come back again and again. */
const LINED_MAX = 16;

/**
 * The one database of a world, which outlives every node. Groups are written one after the other; each is looked at
 * before the next one begins. Where one node owns the store, what that keeps in memory dies with its owner; where several
 * do, it stands for a server that goes on.
 */
export class SimDatabase {
  readonly #db: DatabaseSync;
  readonly #world: DatabaseWorld;
  /** As its present owner has it. */
  #opened: JobStore;
  /** The same with the planted bug before it. */
  readonly #store: JobStore;
  /** An only owner has it open, or died without closing it. */
  #inUse = false;
  #listener: CommitListener | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** Set where several nodes own the store. */
  readonly #owners: OutboxOwners | undefined;

  constructor(world: DatabaseWorld) {
    const { clock, shared, mutation } = world;
    this.#world = world;
    this.#db = openDatabase({ path: ':memory:' });
    this.#opened = sqliteStoreOver(this.#db, { random: world.random, linedMax: LINED_MAX });
    const store: JobStore = {
      capabilities: { ...this.#opened.capabilities, shared },
      perform: (requests, onBegun) => this.#opened.perform(requests, onBegun),
      close: () => this.#opened.close(),
    };
    this.#store = mutation?.store?.(store) ?? store;
    this.#owners = shared ? new OutboxOwners(() => clock.monotonicMs()) : undefined;
  }

  get capabilities() {
    return this.#store.capabilities;
  }

  listen(listener: CommitListener): void {
    this.#listener = listener;
  }

  /** An owner starts. Where it is the only one, it finds what is written and nothing else. */
  open(): void {
    const { shared, random, mutation, onTakenOver } = this.#world;
    if (shared) return;
    if (this.#inUse) onTakenOver();
    this.#inUse = true;
    mutation?.reopened?.(this.#db);
    this.#opened = sqliteStoreOver(this.#db, { random, linedMax: LINED_MAX });
  }

  /**
   * Writes a group.
   * @param onBegun told, as `OnBegun` says, before the answer, where one node owns the store
   */
  perform(
    requests: readonly StoreRequest[],
    by: string,
    onBegun: (claims: readonly BegunAnswer[]) => void = () => {},
  ): Promise<StoreReply[]> {
    const written = this.#last.then(async () => {
      const owners = this.#owners;
      const done = await (owners
        ? this.#store.perform(requests.map((request) => owners.asked(request)))
        : this.#store.perform(requests, async (claims) => onBegun(claims)));
      const replies = done.map((reply, index) => {
        const request = requests[index];
        return owners && request ? owners.answered(request, reply, by) : reply;
      });
      await this.#listener?.committed(requests, replies, by);
      return replies;
    });
    this.#last = written.catch(() => {});
    return written;
  }

  /** Reads behind everybody's back; only for the listener, and when nothing is under way. */
  async read(request: StoreRequest): Promise<unknown> {
    const [reply] = await this.#store.perform([request]);
    if (!reply?.ok) throw new Error(`the store refused to be read: ${JSON.stringify(reply)}`);
    return reply.answer;
  }

  /** An owner has closed its way to the database, in order. */
  async left(by: string): Promise<void> {
    this.#owners?.left(by);
    if (this.#owners !== undefined) return;
    this.#inUse = false;
    await this.#store.close();
  }

  close(): void {
    this.#db.close();
  }
}
