import type { Clock } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/identity.ts';
import { Body } from '../body.ts';
import type { Envelope, Headers } from '../bus.ts';
import { NO_HEADERS } from '../inbox.ts';
import { PAYLOAD_BYTES_MAX_DEFAULT } from '../payload.ts';
import { receiversOf, SubjectIndex } from '../subject-index.ts';
import type { Subjects } from '../subjects.ts';
import { MemoryBus } from './memory-bus.ts';
import { type LinkFaults, MemoryLink } from './memory-link.ts';

/** What a simulated broker is made of. */
export interface MemoryBrokerOptions {
  clock: Clock;
  /** Decides who of a group gets a message, and the faults. */
  random: Random;
  /** Default: that of a `nats-server` as it comes. */
  payloadBytesMax?: number;
}

/** Who an endpoint is. */
export interface MemoryConnectOptions {
  /** What faults and partitions call this endpoint; several may share a name. */
  name: string;
  subjects: Subjects;
  /** Keeps its own messages from its own subscriptions. */
  noEcho?: boolean;
}

/** Who gets messages: a subscription of an endpoint. */
export interface Receiver {
  readonly bus: MemoryBus;
  readonly group: string | undefined;
  receive(message: { subject: string; body: Body; headers: Headers; reply: string | undefined }): void;
}

/** Which way faults are on: of one endpoint to another, by name; left out means any. */
export interface LinkEnds {
  from?: string;
  to?: string;
}

/**
 * A message broker in memory, one for each simulated world, with NATS's rules: subjects, groups, no responders, loss
 * across an outage. Bodies always cross it as bytes. Time and chance come from the given clock and randomness alone, so
 * that a world replays from its seed. A message without delay arrives in a microtask; else the clock says when.
 */
export class MemoryBroker {
  readonly clock: Clock;
  readonly payloadBytesMax: number;
  readonly index = new SubjectIndex<Receiver>();
  readonly #random: Random;
  readonly #endpoints = new Set<MemoryBus>();
  readonly #links = new Map<MemoryBus | undefined, Map<MemoryBus | undefined, MemoryLink>>();
  readonly #partitioned = new Set<string>();
  #faults: { ends: LinkEnds; faults: LinkFaults }[] = [];
  #up = true;
  #endpointsMade = 0;
  #carried = 0;

  constructor(options: MemoryBrokerOptions) {
    this.clock = options.clock;
    this.#random = options.random;
    this.payloadBytesMax = options.payloadBytesMax ?? PAYLOAD_BYTES_MAX_DEFAULT;
  }

  /** How many messages were sent on to somebody so far. */
  get carried(): number {
    return this.#carried;
  }

  /** A new endpoint, for one simulated node or client. It may be made while the broker is down. */
  connect(options: MemoryConnectOptions): MemoryBus {
    this.#endpointsMade += 1;
    const bus = new MemoryBus(this, { ...options, inbox: `_INBOX.m${this.#endpointsMade}.` });
    this.#endpoints.add(bus);
    bus.reachable(this.#reaches(options.name));
    return bus;
  }

  /** Sets what goes wrong from now on between some endpoints. The latest that fits a pair counts; `{}` mends it. */
  setFaults(faults: LinkFaults, ends: LinkEnds = {}): void {
    this.#faults = this.#faults.filter((known) => known.ends.from !== ends.from || known.ends.to !== ends.to);
    this.#faults.push({ ends, faults });
  }

  /** Stops the broker: every endpoint is `down`, what is under way is lost. */
  down(): void {
    if (!this.#up) return;
    this.#up = false;
    this.#tellReachable();
  }

  /** Starts it again: endpoints that are not partitioned are `up`, with all their subscriptions. */
  up(): void {
    this.#up = true;
    this.#tellReachable();
  }

  /** Cuts endpoints of one name off the broker: they are `down`, what is under way from or to them is lost. */
  partition(name: string): void {
    this.#partitioned.add(name);
    this.#tellReachable();
  }

  /** Ends a partition. */
  heal(name: string): void {
    this.#partitioned.delete(name);
    this.#tellReachable();
  }

  /** Publishes as a stranger would, with any reply subject and with bytes as they are. */
  inject(subject: string, envelope: Envelope, reply?: string): void {
    if (this.#up) this.route(undefined, { subject, envelope, reply });
  }

  /**
   * Passes a message on to whom it may concern.
   * @returns how many that is
   */
  route(
    from: MemoryBus | undefined,
    { subject, envelope, reply }: { subject: string; envelope: Envelope; reply: string | undefined },
  ): number {
    const fitting = this.index.match(subject).filter(({ bus }) => bus.state === 'up' && !(bus.noEcho && bus === from));
    const receivers = receiversOf(fitting, groupOf, (size) => Math.floor(this.#random() * size));
    const { body, headers = NO_HEADERS } = envelope;
    this.#carried += receivers.length;
    for (const receiver of receivers) {
      const deliver = (): void => {
        receiver.receive({ subject, body: Body.encoded(body.bytes, body.contentType), headers, reply });
      };
      this.carry(from, receiver.bus, deliver);
    }
    return receivers.length;
  }

  /** Carries something from one endpoint to another, undefined being the broker itself or a stranger. */
  carry(from: MemoryBus | undefined, to: MemoryBus | undefined, deliver: () => void): void {
    const byTo = this.#links.get(from) ?? new Map<MemoryBus | undefined, MemoryLink>();
    this.#links.set(from, byTo);
    const link = byTo.get(to) ?? new MemoryLink(this.clock, this.#random);
    byTo.set(to, link);
    link.carry(deliver, this.#faultsBetween(from?.name, to?.name));
  }

  /** Forgets an endpoint that was closed. What it sent before still arrives. */
  leave(bus: MemoryBus): void {
    this.#endpoints.delete(bus);
    this.#links.delete(bus);
    for (const byTo of this.#links.values()) {
      byTo.get(bus)?.clear();
      byTo.delete(bus);
    }
  }

  #faultsBetween(from: string | undefined, to: string | undefined): LinkFaults {
    const fits = (end: string | undefined, name: string | undefined): boolean => end === undefined || end === name;
    return this.#faults.findLast(({ ends }) => fits(ends.from, from) && fits(ends.to, to))?.faults ?? {};
  }

  #reaches(name: string): boolean {
    return this.#up && !this.#partitioned.has(name);
  }

  #tellReachable(): void {
    for (const bus of [...this.#endpoints]) {
      const reaches = this.#reaches(bus.name);
      if (!reaches) this.#loseTransit(bus);
      bus.reachable(reaches);
    }
  }

  #loseTransit(bus: MemoryBus): void {
    for (const [from, byTo] of this.#links) {
      for (const [to, link] of byTo) if (from === bus || to === bus) link.clear();
    }
  }
}

function groupOf(receiver: Receiver): string | undefined {
  return receiver.group;
}
