import type { AnyJobDefinition, TypeDefaults } from '../../job/definition.ts';
import type { Clock } from '../../kernel/clock.ts';
import { RotaError } from '../../kernel/error.ts';
import type { NodeRecord } from '../../store/job-store.ts';
import type { StoreClient } from '../store-client.ts';

/** What the registry asks, and what it knows without asking. */
export interface RegistryWorld {
  store: StoreClient;
  clock: Clock;
  /** What this node's own config names; known without asking. */
  definitions: ReadonlyMap<string, AnyJobDefinition>;
  queues: ReadonlySet<string>;
  /** A node not seen for this long is not living, in milliseconds. */
  livingMs: number;
}

/** How long an answer of the store is used again, in milliseconds: a flood of unknown names costs one look per this. */
const FRESH_MS = 250;

/** What the living nodes' configs name: what makes a queue or a type known. */
export class Registry {
  readonly #world: RegistryWorld;
  #nodes: Promise<NodeRecord[]> | undefined;
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(world: RegistryWorld) {
    this.#world = world;
  }

  /** The living nodes. @throws RotaError when the store is away */
  nodes(): Promise<NodeRecord[]> {
    const now = this.#world.clock.monotonicMs();
    if (this.#nodes === undefined || now - this.#readAt > FRESH_MS) {
      this.#readAt = now;
      const { store, clock, livingMs } = this.#world;
      this.#nodes = store.ask('nodes', { seenAfter: clock.now() - livingMs });
      this.#nodes.catch(() => {
        this.#nodes = undefined;
      });
    }
    return this.#nodes;
  }

  definition(type: string): AnyJobDefinition | undefined {
    return this.#world.definitions.get(type);
  }

  /** What a type lays under a request: by this node's config, else by another living node's. */
  async defaultsOf(type: string): Promise<TypeDefaults | undefined> {
    const own = this.#world.definitions.get(type);
    if (own !== undefined) return own;
    const types = (await this.nodes()).flatMap((node) => node.types);
    return types.find((entry) => entry.type === type)?.defaults;
  }

  /** Whether this node's own config names a queue. */
  hasQueue(name: string): boolean {
    return this.#world.queues.has(name);
  }

  async knowsQueue(name: string): Promise<boolean> {
    if (this.hasQueue(name)) return true;
    return (await this.nodes()).some(({ queues }) => queues.some((queue) => queue.name === name));
  }

  /** @throws RotaError `not_found` for a queue that no living node's config names, or what the store answers */
  async mustKnowQueue(name: string): Promise<void> {
    if (await this.knowsQueue(name)) return;
    throw new RotaError('not_found', `no living node's config names the queue "${name}"`);
  }

  async knowsType(type: string): Promise<boolean> {
    if (this.#world.definitions.has(type)) return true;
    return (await this.nodes()).some(({ types }) => types.some((entry) => entry.type === type));
  }

  /** The queue that a type's jobs go to unless they say otherwise; undefined: no living node's config names the type. */
  async queueOf(type: string): Promise<string | undefined> {
    const own = this.#world.definitions.get(type);
    if (own !== undefined) return own.queue;
    const types = (await this.nodes()).flatMap((node) => node.types);
    return types.find((entry) => entry.type === type)?.queue;
  }
}
