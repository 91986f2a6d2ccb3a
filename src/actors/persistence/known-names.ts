import type { NodeRecord } from '../../store/job-store.ts';

/**
 * Which queues and types are known: those that any living node's config names. Kept by whoever sees the registry.
 */
export class KnownNames {
  #queues = new Set<string>();
  #types = new Set<string>();

  /** Takes the registry as it is now. */
  refresh(nodes: readonly NodeRecord[]): void {
    this.#queues = new Set(nodes.flatMap((node) => node.queues.map(({ name }) => name)));
    this.#types = new Set(nodes.flatMap((node) => node.types.map(({ type }) => type)));
  }

  hasQueue(name: string): boolean {
    return this.#queues.has(name);
  }

  hasType(name: string): boolean {
    return this.#types.has(name);
  }
}
