import { isRecord } from '../../kernel/check.ts';
import { Body } from '../../messaging/body.ts';
import type { Message, Subscription } from '../../messaging/bus.ts';
import { wholeOnes } from '../../messaging/contract/brief.ts';
import { REPLY_FRAME_BYTES } from '../../messaging/payload.ts';
import { answer, answerCodec, refuse } from '../../messaging/reply.ts';
import { wholeClaim } from '../../store/begun-job.ts';
import type { InsertResult, RefusalReason, StoreAnswer, StoreOptions, StoreRequest } from '../../store/job-store.ts';
import type { QueueRecord } from '../../store/queue-record.ts';
import { insertedBody } from '../inserted-body.ts';
import { PartedRequests, type WholeRequest } from './parted-requests.ts';
import type { PersistenceWorld } from './persistence.ts';
import { checkShape } from './request-shape.ts';

/** What the desk needs of the actor around it. */
export interface StoreDeskParts {
  world: PersistenceWorld;
  /** Runs a request in the next group. */
  perform(request: StoreRequest): Promise<unknown>;
  /** What this actor has refused so far. */
  refused: Readonly<Record<RefusalReason, number>>;
  /** The registry is another one. */
  onNodes(): Promise<void>;
  /** A queue has jobs that nobody has told of. */
  onWork(queue: string): void;
  /** Operators said something else of a queue. */
  onRules(record: QueueRecord): void;
}

/** Serves the store's verbs to our own actors, and tells those whom an answer concerns. */
export class StoreDesk {
  readonly #parts: StoreDeskParts;
  readonly #parted: PartedRequests;
  readonly #partsToUs: Subscription;
  readonly #beganAtMs: number;

  constructor(parts: StoreDeskParts) {
    const { bus, subjects, clock, node } = parts.world;
    this.#parts = parts;
    this.#beganAtMs = clock.monotonicMs();
    this.#parted = new PartedRequests(clock);
    // Of this one alone: all parts of a request come to who began it.
    const to = subjects.actor(node, 'persistence', 'part');
    this.#partsToUs = bus.subscribe(to, {}, (message) => this.#servePart(message));
  }

  /** Deals with one request; never throws. */
  async serve(message: Message): Promise<void> {
    const verb = message.subject.slice(message.subject.lastIndexOf('.') + 1);
    if (verb === 'parts') this.#begin(message);
    else await this.#serve(message, { verb, body: message.body });
  }

  /** Takes no more parts. */
  close(): void {
    this.#partsToUs.unsubscribe();
    this.#parted.close();
  }

  /** Takes one part of a request that is larger than a message, and deals with the whole when it is the last; never throws. */
  async #servePart(message: Message): Promise<void> {
    let whole: WholeRequest | undefined;
    try {
      whole = this.#parted.add(message.body.value);
    } catch (error) {
      return refuse(message, error);
    }
    if (whole === undefined) answer(message, {});
    else await this.#serve(message, whole);
  }

  #begin(message: Message): void {
    try {
      const number = this.#parted.begin(message.body.value);
      answer(message, { answer: { node: this.#parts.world.node, number } });
    } catch (error) {
      refuse(message, error);
    }
  }

  async #serve(message: Message, { verb, body: request }: WholeRequest): Promise<void> {
    const { bus, clock } = this.#parts.world;
    try {
      const whole = verb === 'insert' ? wholeInsert(request.value) : request.value;
      checkShape(verb, whole);
      // Beyond that shape nothing is checked: only our own actors speak here, and they send what the port asks for.
      const said = whole as { now?: number };
      const options = byStoreClock(verb, said, clock.now());
      const value = await this.#perform(verb, options);
      const codec = answerCodec(message);
      const bytesMax = bus.payloadBytesMax - REPLY_FRAME_BYTES;
      // What is inserted must not be answered by an error because its answer cannot be sent.
      const body = verb === 'insert' ? insertedBody(value as InsertResult[], { codec, bytesMax }) : undefined;
      // The store's time rides on the one answer that every node asks for again and again.
      const time = verb === 'registerNode' ? { now: clock.now() } : {};
      message.respond({ body: body ?? Body.of({ answer: value, ...time }, codec) });
    } catch (error) {
      refuse(message, error);
    }
  }

  async #perform(verb: string, options: object): Promise<unknown> {
    const { perform, onNodes, onWork, onRules } = this.#parts;
    if (verb === 'rescue' && !this.#mayJudge()) return { rescued: 0, queues: [] } satisfies StoreAnswer<'rescue'>;
    const answered = await perform(this.#prepared({ verb, ...options } as unknown as StoreRequest));
    switch (verb) {
      case 'claim':
        return (answered as StoreAnswer<'claim'>).map(wholeClaim);
      case 'registerNode':
      case 'removeNode':
        await onNodes();
        break;
      case 'stage':
      case 'rescue':
        for (const queue of (answered as StoreAnswer<'stage'>).queues) onWork(queue);
        break;
      case 'cancel':
        this.#tellCancelled(answered as StoreAnswer<'cancel'>, (options as StoreOptions<'cancel'>).terminate);
        break;
      case 'sweep': {
        const { terminate } = options as StoreOptions<'sweep'>;
        this.#tellStopped((answered as StoreAnswer<'sweep'>).wereRunning, terminate);
        break;
      }
      case 'changeQueue': {
        const { queue, changed } = answered as StoreAnswer<'changeQueue'>;
        if (changed) onRules(queue);
        break;
      }
      case 'tick':
        this.#tellOverlapped(answered as StoreAnswer<'tick'>);
        break;
      case 'reboot':
        this.#tellOverlapped((answered as StoreAnswer<'reboot'>).results);
        break;
    }
    return answered;
  }

  /**
   * Signs of life that an only owner had not written died with it, and a janitor elsewhere may not even notice: nobody is
   * dead before one lease after this one began. Several owners leave each other the time that signs may be unwritten.
   */
  #mayJudge(): boolean {
    const { store, clock, leaseMs } = this.#parts.world;
    return store.capabilities.shared || clock.monotonicMs() - this.#beganAtMs >= leaseMs;
  }

  /** A node's record carries what this actor has refused so far. */
  #prepared(request: StoreRequest): StoreRequest {
    const { world, refused } = this.#parts;
    if (request.verb !== 'registerNode' || request.node.node !== world.node) return request;
    return { ...request, node: { ...request.node, refused: { ...refused } } };
  }

  /** The cancelled attempt's executor is told at once; its next beat says it again. */
  #tellCancelled({ job, wasRunning }: StoreAnswer<'cancel'>, terminate: boolean): void {
    if (job === null || wasRunning === null) return;
    this.#tellStopped([{ id: job.id, queue: job.queue, ...wasRunning }], terminate);
  }

  /** Jobs that were cancelled because their schedule's next tick came: their executors are told at once, too. */
  #tellOverlapped(results: StoreAnswer<'tick'>): void {
    this.#tellStopped(
      results.flatMap(({ cancelled }) => cancelled),
      false,
    );
  }

  #tellStopped(attempts: StoreAnswer<'sweep'>['wereRunning'], terminate: boolean): void {
    const { bus, subjects } = this.#parts.world;
    for (const { queue, ...attempt } of attempts) {
      bus.publish(subjects.hint('cancel', queue), { body: Body.of({ ...attempt, terminate }, 'msgpack') });
    }
  }
}

/** An insert with its jobs whole; what has no shape of one is left to be refused. */
function wholeInsert(request: unknown): unknown {
  if (!isRecord(request) || !Array.isArray(request.alike) || !request.alike.every(isRecord)) return request;
  const { alike, ...options } = request;
  return { ...options, jobs: wholeOnes({ jobs: alike as object[], asFirst: true }) }; // each is a record
}

/**
 * What was asked, by the store's clock: `now` is the store's, and so is a time that the asker reckoned from its own. An
 * asker whose clock is ahead must not think everybody dead.
 */
function byStoreClock(verb: string, said: { now?: number }, now: number): object {
  const shift = now - (said.now ?? now);
  if (verb === 'rescue') {
    const { deadBefore } = said as StoreOptions<'rescue'>;
    return { ...said, now, deadBefore: deadBefore + shift };
  }
  if (verb === 'registerNode') {
    const { deadBefore, node } = said as StoreOptions<'registerNode'>;
    return { ...said, now, deadBefore: deadBefore + shift, node: { ...node, seenAt: now } };
  }
  return { ...said, now };
}
