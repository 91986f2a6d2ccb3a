import type { Clock } from '../../kernel/clock.ts';
import type { EventTeller } from '../event-teller.ts';
import type { StoreClient } from '../store-client.ts';

/** What leading takes. */
export interface LeadWorld {
  store: StoreClient;
  clock: Clock;
  tell: EventTeller;
  node: string;
  instance: string;
  /** How long a lead lasts unless it is renewed, in milliseconds. */
  leaderLeaseMs: number;
}

/** This program's part in who leads: takes the lead where it is free, renews it three times in a lease, gives it up. */
export class Lead {
  readonly #world: LeadWorld;
  #term: number | undefined;
  #leadersTerm = 0;
  #renewAt = Number.NEGATIVE_INFINITY;

  constructor(world: LeadWorld) {
    this.#world = world;
  }

  /** The term of whoever led when last asked. */
  get leadersTerm(): number {
    return this.#leadersTerm;
  }

  /**
   * Takes or renews the lead where that is due.
   * @returns the term under which this program leads; undefined: it stands by
   * @throws RotaError when the store is away; what was held is held until the store says otherwise
   */
  async hold(): Promise<number | undefined> {
    const { store, clock, tell, node, instance, leaderLeaseMs } = this.#world;
    if (this.#term !== undefined && clock.monotonicMs() < this.#renewAt) return this.#term;
    const renewAt = clock.monotonicMs() + leaderLeaseMs / 3;
    const leader = await store.ask('lead', { now: clock.now(), node, instance, leaseMs: leaderLeaseMs });
    this.#leadersTerm = leader.term;
    if (leader.instance !== instance) {
      this.lost('another node leads');
      return undefined;
    }
    this.#renewAt = renewAt;
    if (this.#term !== leader.term) {
      this.lost('another node led');
      this.#term = leader.term;
      tell({ kind: 'node', name: node, what: 'leader-acquired', data: { node, term: leader.term } });
    }
    return this.#term;
  }

  /** Tells that the lead is lost, if there was one. */
  lost(reason: string): void {
    if (this.#term === undefined) return;
    const { tell, node } = this.#world;
    tell({ kind: 'node', name: node, what: 'leader-lost', data: { node, term: this.#term, reason } });
    this.#term = undefined;
  }

  /** Gives the lead up. @returns whether there was one */
  async resign(): Promise<boolean> {
    if (this.#term === undefined) return false;
    const { store, clock, node, instance } = this.#world;
    // A store that is away ends the lease by itself.
    await store.ask('resign', { now: clock.now(), node, instance }).catch(() => {});
    this.lost('stopped');
    return true;
  }
}
