import type { TimerHandle } from '../../src/kernel/clock.ts';
import type { MemoryBroker } from '../../src/messaging/memory/memory-broker.ts';
import type { VirtualClock } from '../../src/testing/testing.ts';
import type { Fault, Plan } from './plan.ts';
import type { Sightings } from './sightings.ts';
import type { SimNode } from './sim-node.ts';
import type { Trace } from './trace.ts';

/** What faults befall. */
export interface FaultWorld {
  plan: Plan;
  clock: VirtualClock;
  broker: MemoryBroker;
  nodes: ReadonlyMap<string, SimNode>;
  trace: Trace;
  sightings: Sightings;
}

/** The one endpoint that hears everything: faults of links pass it by, for it only stands for what was told. */
export const OBSERVER = 'observer';
/** How long a client may answer no ping, in milliseconds. */
export const SILENT_MS_MAX = 240_000;
/** Between two crashes of one part, in milliseconds. */
const CRASH_EVERY_MS = 400;

/** Lets the faults of a plan happen, each at its time, and heals those that end. */
export class FaultScript {
  readonly #world: FaultWorld;
  /** What heals each fault that is on. */
  readonly #healers = new Map<Fault, () => void>();
  #brokerDowns = 0;
  /** How many freezes of a node are on, and what ends its connection. */
  readonly #freezes = new Map<string, number>();
  readonly #drops = new Map<string, TimerHandle>();

  constructor(world: FaultWorld) {
    this.#world = world;
  }

  /** Sets every fault's time. */
  start(): void {
    const { plan, clock } = this.#world;
    for (const fault of plan.faults) clock.setTimeout(() => this.#begin(fault), fault.atMs);
  }

  /** Heals what is on; what is meant to stay stays. */
  healAll(): void {
    for (const fault of [...this.#healers.keys()]) if (Number.isFinite(fault.forMs)) this.#heal(fault);
  }

  #begin(fault: Fault): void {
    const { plan, clock, trace, sightings } = this.#world;
    if (clock.monotonicMs() > plan.activeMs) return;
    trace.add('fault', JSON.stringify(fault));
    const heal = this.#apply(fault);
    if (heal === undefined) return;
    // Those of the store are seen where they meet somebody, a crash where there is such a part.
    if (!fault.kind.startsWith('store-') && fault.kind !== 'crash') sightings.saw(`fault ${fault.kind}`);
    const timer = Number.isFinite(fault.forMs) ? clock.setTimeout(() => this.#heal(fault), fault.forMs) : undefined;
    this.#healers.set(fault, () => {
      clock.clearTimeout(timer);
      heal();
    });
  }

  #heal(fault: Fault): void {
    const heal = this.#healers.get(fault);
    if (heal === undefined) return;
    this.#healers.delete(fault);
    this.#world.trace.add('heal', JSON.stringify(fault));
    heal();
    // Another one of its kind may still be on; faults are few, so all that are on are simply set again.
    for (const other of this.#healers.keys()) if (other.kind === fault.kind && isSwitch(other)) this.#apply(other);
  }

  /** Lets one happen. @returns how it ends; undefined: it could not happen */
  #apply(fault: Fault): (() => void) | undefined {
    const { broker, nodes } = this.#world;
    const node = 'node' in fault ? nodes.get(fault.node) : undefined;
    switch (fault.kind) {
      case 'broker-down':
        this.#brokerDowns += 1;
        broker.down();
        return () => broker.up();
      case 'link': {
        const ends = { ...(fault.from ? { from: fault.from } : {}), ...(fault.to ? { to: fault.to } : {}) };
        this.#setLink(fault.faults, ends);
        return () => this.#setLink({}, ends);
      }
      case 'partition':
        broker.partition(fault.node);
        return () => broker.heal(fault.node);
      default:
        return node && this.#befall(fault, node);
    }
  }

  #befall(fault: Fault, node: SimNode): (() => void) | undefined {
    const { trouble } = node;
    switch (fault.kind) {
      case 'freeze':
        return this.#freeze(node, fault.node);
      case 'store-fail':
        trouble.failing = true;
        return () => {
          trouble.failing = false;
        };
      case 'store-stall':
        trouble.stalledUntilMs = this.#world.clock.monotonicMs() + fault.forMs;
        return () => {
          trouble.stalledUntilMs = 0;
        };
      case 'store-lost-answer':
        trouble.lostAnswers = fault.chance;
        return () => {
          trouble.lostAnswers = 0;
        };
      case 'kill':
        if (!Number.isFinite(fault.forMs)) node.abandon();
        node.kill(fault.afterPasses, fault.version);
        return () => {};
      case 'restart':
        node.restart(fault.version);
        return () => {};
      case 'jump':
        node.jump(fault.byMs);
        return () => {};
      case 'crash':
        this.#crash(node, fault.path, fault.times);
        return () => {};
      default:
        return undefined;
    }
  }

  /** A program that says nothing for so long is dropped by the broker, as NATS drops a client that answers no ping. */
  #freeze(node: SimNode, name: string): () => void {
    const { broker, clock } = this.#world;
    const others = this.#freezes.get(name) ?? 0;
    this.#freezes.set(name, others + 1);
    node.freeze();
    const dropped = others > 0 ? undefined : clock.setTimeout(() => broker.partition(name), SILENT_MS_MAX);
    if (dropped !== undefined) this.#drops.set(name, dropped);
    return () => {
      const left = (this.#freezes.get(name) ?? 1) - 1;
      this.#freezes.set(name, left);
      // Another one holds it still.
      if (left > 0) return;
      clock.clearTimeout(this.#drops.get(name));
      broker.heal(name);
      node.thaw();
    };
  }

  #crash(node: SimNode, path: readonly string[], times: number): void {
    if (node.crash(path)) this.#world.sightings.saw('fault crash');
    if (times > 1) {
      this.#world.clock.setTimeout(() => this.#crash(node, path, times - 1), CRASH_EVERY_MS);
    }
  }

  #setLink(faults: object, ends: { from?: string; to?: string }): void {
    const { broker } = this.#world;
    broker.setFaults(faults, ends);
    broker.setFaults({}, { to: OBSERVER });
  }
}

/** Faults that stand until they are healed, and that two of may be on at once. */
const isSwitch = ({ kind }: Fault): boolean => kind === 'broker-down' || kind === 'partition' || kind === 'store-fail';
