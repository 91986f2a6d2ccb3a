import { type Clock, untilSharedBeat } from '../../kernel/clock.ts';
import { errorText } from '../../kernel/error.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Bus, Subscription } from '../../messaging/bus.ts';
import type { Subjects } from '../../messaging/subjects.ts';
import { scaledLimit } from '../../store/queue-record.ts';
import { Periodic } from '../periodic.ts';
import { storeClient } from '../store-client.ts';

/** What a watch asks and whom it tells. */
export interface LimitWatchWorld {
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  node: string;
  queue: string;
  /** What this node was started with: holds unless an operator said otherwise. */
  limit: number;
  /** How soon a store that was away is asked again, in milliseconds. */
  pollMs: number;
  log: Logger;
  /** The limit is known, or another one than before. */
  onChange(): void;
}

/** How often the store is asked when no hint came, in milliseconds: a lost hint costs this, but in an outage of the bus. */
const LOOK_MS = 15_000;
const ANSWER_MS = 5_000;

/** How many jobs of a queue this node may run at once: what an operator said (`scale`), else what it was started with. */
export class LimitWatch {
  readonly #hint: Subscription;
  readonly #unlisten: () => void;
  readonly #looks: Periodic;
  #limit: number | undefined;

  constructor(world: LimitWatchWorld) {
    const { bus, subjects, clock, node, queue, limit, pollMs, log, onChange } = world;
    const store = storeClient(bus, subjects, ANSWER_MS);
    const look = async (): Promise<number> => {
      try {
        const [said] = await store.ask('queues', { queues: [queue] });
        const before = this.#limit;
        this.#limit = scaledLimit(said, node) ?? limit;
        if (before !== this.#limit) onChange();
        return untilSharedBeat(clock, LOOK_MS);
      } catch (error) {
        log.debug({ error: errorText(error) }, 'the store is away; what it says of the limit is asked again');
        return pollMs;
      }
    };
    this.#looks = new Periodic({ clock, duty: look, firstMs: 0 });
    this.#hint = bus.subscribe(subjects.hint('queue', queue), {}, () => this.#looks.poke());
    this.#unlisten = bus.onState((state) => {
      if (state === 'up') this.#looks.poke();
    });
  }

  /** Undefined: not known yet, for the store has not answered; nothing may be claimed until then. */
  get limit(): number | undefined {
    return this.#limit;
  }

  /** Looks no more. */
  kill(): void {
    this.#hint.unsubscribe();
    this.#unlisten();
    this.#looks.kill();
  }
}
