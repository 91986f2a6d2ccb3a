import type { Clock, TimerHandle } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/identity.ts';

/** What goes wrong on the way from one endpoint to another. Chances are from 0 to 1; all default to 0. */
export interface LinkFaults {
  /** The chance that a message is lost. */
  drop?: number;
  /** The chance that a message comes twice. */
  duplicate?: number;
  /** The chance that a message does not wait for those sent before it. Only seen together with `delayMs`. */
  reorder?: number;
  /** How long a message is under way, in milliseconds: between the two, evenly. Order is kept unless `reorder` says. */
  delayMs?: readonly [min: number, max: number];
}

interface InTransit {
  atMs: number;
  deliver: () => void;
}

/** The way from one endpoint to another: keeps order, unless its faults say otherwise. */
export class MemoryLink {
  readonly #clock: Clock;
  readonly #random: Random;
  #transit: InTransit[] = [];
  #timer: TimerHandle;
  #generation = 0;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Sends one message; `deliver` is called for each time it arrives, never inside this call. */
  carry(deliver: () => void, faults: LinkFaults): void {
    if (this.#happens(faults.drop)) return;
    this.#enqueue(deliver, faults);
    if (this.#happens(faults.duplicate)) this.#enqueue(deliver, faults);
  }

  /** Loses what is under way. */
  clear(): void {
    this.#generation += 1;
    this.#transit = [];
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #happens(chance: number | undefined): boolean {
    return chance !== undefined && chance > 0 && this.#random() < chance;
  }

  #enqueue(deliver: () => void, faults: LinkFaults): void {
    const [minMs, maxMs] = faults.delayMs ?? [0, 0];
    const delayMs = maxMs > minMs ? minMs + this.#random() * (maxMs - minMs) : minMs;
    if (delayMs === 0 && this.#transit.length === 0) {
      const generation = this.#generation;
      queueMicrotask(() => {
        if (generation === this.#generation) deliver();
      });
      return;
    }
    const ownMs = this.#clock.monotonicMs() + delayMs;
    const lastMs = this.#transit.at(-1)?.atMs ?? 0;
    const atMs = this.#happens(faults.reorder) ? ownMs : Math.max(ownMs, lastMs);
    const later = this.#transit.findIndex((other) => other.atMs > atMs);
    this.#transit.splice(later < 0 ? this.#transit.length : later, 0, { atMs, deliver });
    this.#arm();
  }

  #arm(): void {
    this.#clock.clearTimeout(this.#timer);
    const [next] = this.#transit;
    this.#timer =
      next && this.#clock.setTimeout(() => this.#arrive(), Math.max(next.atMs - this.#clock.monotonicMs(), 0));
  }

  #arrive(): void {
    const nowMs = this.#clock.monotonicMs();
    // A timer may fire a fraction of a millisecond early; the first message is due by definition.
    do this.#transit.shift()?.deliver();
    while (this.#transit[0] !== undefined && this.#transit[0].atMs <= nowMs);
    this.#arm();
  }
}
