import { clipText } from '../../job/error-entry.ts';
import { isTerminalFact, type JobFact } from '../../job/job-event.ts';
import type { Clock, TimerHandle } from '../../kernel/clock.ts';
import { errorText } from '../../kernel/error.ts';
import { utf8Bytes } from '../../kernel/json.ts';
import type { Logger } from '../../kernel/log.ts';
import { Body } from '../../messaging/body.ts';
import type { Bus } from '../../messaging/bus.ts';
import { JobEvent } from '../../messaging/contract/event.ts';
import { onceHeaders } from '../../messaging/event-history.ts';
import { LineWriter, publishLines } from '../../messaging/json-lines.ts';
import type { Subjects } from '../../messaging/subjects.ts';
import type { PlaceRun } from '../../store/job-store.ts';

/** What the announcer needs of the store. */
export interface Outbox {
  unannounced(after: number, limit: number): Promise<JobFact[]>;
  announced(places: readonly PlaceRun[]): Promise<void>;
}

/** What the announcer speaks with. */
export interface AnnouncerWorld {
  bus: Bus;
  subjects: Subjects;
  node: string;
  clock: Clock;
  outbox: Outbox;
  /** A stream keeps events: what may be told again then carries its id. */
  eventsKept?: boolean | undefined;
  log: Logger;
  /** How often the outbox is looked into for what others left, in milliseconds; left out: there are no others. */
  lookEveryMs?: number;
}

/** Facts read from the outbox in one step while catching up. */
const CATCH_UP_LIMIT = 500;
/** How long to wait after a failure before the next try. */
const RETRY_MS = 1_000;
/**
 * Characters of what is each event's own that go together, about: of some five hundred. What is larger gets memory of its
 * own wherever it is copied to, whose pages are made and given back each time.
 */
const LINES_LENGTH_MAX = 32_768;
/** What is left of an error where a server takes no more, in bytes of JSON. */
const LEAN_ERROR_BYTES_MAX = 1_024;
/**
 * How long what was left untold waits once the bus is up. After an outage we are often back before those who listen,
 * and what is published before they have subscribed again is lost to them: NATS clients come back within 2.1 s unless
 * they are told otherwise. The contract allows 10 s.
 */
export const RETURN_MS = 3_000;

/**
 * Tells committed facts on the bus. Terminal ones are announced at least once: they stay in the store's outbox until a
 * flush after their publish has returned. While the bus is down they stay there, and are read back when it is up. What
 * is told within {@link RETURN_MS} of an outage is told at once and, with the same ids, again at the end of that time.
 *
 * Where the outbox stands `behind` and `fresh` say: not behind, every entry is either in the flush that is under way or in
 * `#fresh`; behind, there may be more, and it is read from its start. When it is read, and whether once more at the end of
 * an outage, `#returning`, `#catchUpAt` and `#missed` say.
 */
export class Announcer {
  readonly #world: AnnouncerWorld;
  #behind = true;
  /** Events published in this life. */
  #told = 0;
  /** Something was committed that has still to be told (again) since the outbox was last read. */
  #missed = false;
  /** The bus was up before. */
  #wasUp = false;
  /** It is up again after an outage, and others may not be back yet. */
  #returning = false;
  /** When the outbox may be read back, in monotonic milliseconds. */
  #catchUpAt = 0;
  /** What is under way, and whether it got through. */
  #loop: Promise<boolean> | undefined;
  #stopped = false;
  /** Where events are put together; empty in between. */
  readonly #lines = new LineWriter();
  /** The one at hand: an object for each would be garbage at once. */
  readonly #event = new JobEvent();
  /** Outbox places published since the last flush began. */
  #fresh: PlaceRun[] = [];
  #timer: TimerHandle;
  #lookTimer: TimerHandle;
  #unlisten: () => void = () => {};

  constructor(world: AnnouncerWorld) {
    this.#world = world;
  }

  /** Begins with what an earlier life left untold. Before that it hears of nothing: who made it may not come to start. */
  start(): void {
    this.#listen();
    if (this.#world.bus.state === 'up') this.#isUp();
    this.#armLook();
  }

  /** Publishes facts in order, right after their commit. */
  tell(facts: readonly JobFact[]): void {
    this.#publish(facts, ({ outboxSeq }) => outboxSeq === undefined || this.#mayTell(outboxSeq));
    if (this.#fresh.length > 0 || this.#behind) this.#run();
  }

  /** Whether a terminal fact is to be told now; notes that a flush has to follow, or that it is told (again) later. */
  #mayTell(seq: number): boolean {
    const up = this.#world.bus.state === 'up';
    if (up && !this.#returning) addPlace(this.#fresh, seq);
    else {
      this.#behind = true;
      this.#missed = true;
    }
    return up;
  }

  /** Resolves when nothing is left to tell, or the bus is down or failing. */
  async drain(): Promise<void> {
    this.#catchUpAt = 0;
    this.#run();
    // One that was under way may have just looked at the time before.
    if (!(await this.#loop)) return;
    this.#run();
    await this.#loop;
  }

  stop(): void {
    this.#stopped = true;
    this.#unlisten();
    this.#world.clock.clearTimeout(this.#timer);
    this.#world.clock.clearTimeout(this.#lookTimer);
  }

  #listen(): void {
    this.#unlisten = this.#world.bus.onState((state) => {
      if (state === 'down') {
        this.#behind = true;
        this.#fresh = [];
      } else this.#isUp();
    });
  }

  #armLook(): void {
    const { clock, lookEveryMs } = this.#world;
    if (lookEveryMs === undefined) return;
    this.#lookTimer = clock.setTimeout(() => {
      this.#behind = true;
      this.#run();
      this.#armLook();
    }, lookEveryMs);
  }

  #isUp(): void {
    this.#returning = this.#wasUp;
    this.#wasUp = true;
    this.#catchUpAt = this.#world.clock.monotonicMs() + RETURN_MS;
    this.#run();
  }

  /** Publishes those that may be, in order. What follows each other on one subject, as a commit brings it, goes together. */
  #publish(facts: readonly JobFact[], mayTell: (fact: JobFact) => boolean = () => true): void {
    const { bus, subjects, node, eventsKept } = this.#world;
    const [lines, event] = [this.#lines, this.#event];
    const teller = { node, count: this.#told };
    let to = '';
    const send = (): void => {
      if (lines.count > 0) publishLines(bus, to, lines.take());
    };
    for (const fact of facts) {
      if (!mayTell(fact)) continue;
      this.#told += 1;
      teller.count = this.#told;
      event.of(fact, subjects, teller);
      if (!isWithin(event, bus.payloadBytesMax)) event.of(leanFact(fact), subjects, teller);
      const { subject } = event;
      const isOnce = eventsKept === true && isTerminalFact(fact.what);
      if (subject !== to || lines.length > LINES_LENGTH_MAX || isOnce) send();
      to = subject;
      if (isOnce) bus.publish(subject, { body: Body.ofText(event.text, undefined), ...onceHeaders(event.id, true) });
      else event.addTo(lines);
    }
    send();
  }

  #run(): void {
    if (this.#loop !== undefined || this.#stopped || this.#world.bus.state === 'down') return;
    this.#loop = this.#tellAll()
      .then(
        () => undefined,
        (error: unknown) => {
          this.#behind = true;
          this.#fresh = [];
          this.#world.log.debug({ error: errorText(error) }, 'announcing is behind; it goes on when the bus is up');
          return RETRY_MS;
        },
      )
      .then((retryMs) => {
        this.#loop = undefined;
        if (this.#fresh.length > 0) this.#arm(retryMs ?? 0);
        else if (this.#behind) this.#arm(retryMs ?? this.#catchUpAt - this.#world.clock.monotonicMs());
        return retryMs === undefined;
      });
  }

  #arm(ms: number): void {
    const { clock } = this.#world;
    clock.clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = clock.setTimeout(() => this.#run(), Math.max(0, ms));
  }

  async #tellAll(): Promise<void> {
    while (!this.#stopped && this.#world.bus.state === 'up') {
      // What is published already first: then it is not read back and told again.
      if (this.#fresh.length > 0) await this.#confirm();
      else if (this.#behind && this.#world.clock.monotonicMs() >= this.#catchUpAt) await this.#catchUp();
      else return;
    }
  }

  /** Makes sure that what was published is out, then forgets it. */
  async #confirm(): Promise<void> {
    const places = this.#fresh;
    this.#fresh = [];
    await this.#world.bus.flush(this);
    await this.#world.outbox.announced(places);
  }

  async #catchUp(): Promise<void> {
    this.#missed = false;
    this.#returning = false;
    const facts = await this.#world.outbox.unannounced(0, CATCH_UP_LIMIT);
    const places: PlaceRun[] = [];
    for (const { outboxSeq } of facts) if (outboxSeq !== undefined) addPlace(places, outboxSeq);
    if (places.length === 0) {
      this.#behind = this.#missed;
      return;
    }
    this.#publish(facts);
    await this.#world.bus.flush(this);
    await this.#world.outbox.announced(places);
  }
}

/**
 * A fact for a server with a small max_payload: it must go out, or those after it wait for ever; what made it large can be
 * asked for.
 */
function leanFact({ result: _result, progress: _progress, error, ...fact }: JobFact): JobFact {
  if (error === undefined) return fact;
  return { ...fact, error: { ...error, message: clipText(error.message, LEAN_ERROR_BYTES_MAX) } };
}

/** Whether an event has at most so many bytes. A character has at most three. */
const isWithin = (event: JobEvent, bytesMax: number): boolean =>
  event.length * 3 <= bytesMax || utf8Bytes(event.text) <= bytesMax;

/** Adds a place to runs of places. */
function addPlace(runs: PlaceRun[], place: number): void {
  const last = runs.at(-1);
  if (last !== undefined && place === last.to + 1) last.to = place;
  else runs.push({ from: place, to: place });
}
