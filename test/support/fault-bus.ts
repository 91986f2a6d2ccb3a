import type { Bus, Message, MessageHandler } from '../../src/messaging/bus.ts';
import { passFaultPoint } from './fault-point.ts';

const TERMINAL_EVENT = /\.events\.job\.[^.]+\.(completed|discarded|cancelled)$/;
const REJECTED_EVENT = /\.events\.intake\.[^.]+\.rejected$/;

/**
 * A bus with fault points: `<verb>:reply` before and `<verb>:replied` after an answer is given to the bus (of a claim
 * only one that brings jobs), `event:published` after the publish of a terminal event, `flush:before` and `flush:after`
 * around a flush that confirms some, `rejected:published`, `rejected:flush` and `rejected:flushed` for rejections of the
 * intake, and `<verb>:sent` and `<verb>:answered` around requests of executors, queues and the intake. An insert of the
 * durable intake counts as `keep`, and of a message that is handled alone as `alone`.
 */
export function withFaults<B extends Bus>(bus: B): B {
  const faulty = new FaultBus(bus);
  return new Proxy(bus, {
    get: (_target, key) => {
      const member: unknown = Reflect.get(key in faulty ? faulty : bus, key);
      // Bound to the real one: private fields do not pass through a proxy.
      return typeof member === 'function' ? member.bind(key in faulty ? faulty : bus) : member;
    },
  });
}

class FaultBus implements Pick<Bus, 'publish' | 'request' | 'subscribe' | 'flush'> {
  readonly #bus: Bus;
  /** Hides that the bus can publish many at once: one by one there is a point after each. */
  readonly publishLines = undefined;
  #toConfirm = false;
  #rejected = false;
  #alone = false;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  publish(...[subject, envelope]: Parameters<Bus['publish']>): void {
    this.#bus.publish(subject, envelope);
    if (REJECTED_EVENT.test(subject)) {
      this.#rejected = true;
      passFaultPoint('rejected:published');
    }
    if (!TERMINAL_EVENT.test(subject)) return;
    this.#toConfirm = true;
    passFaultPoint('event:published');
  }

  async request(...[subject, envelope, options]: Parameters<Bus['request']>): Promise<Message> {
    const verb = this.#stepOf(verbOf(subject), envelope.body.value);
    passFaultPoint(`${verb}:sent`);
    const reply = await this.#bus.request(subject, envelope, options);
    passFaultPoint(`${verb}:answered`);
    return reply;
  }

  subscribe(...[subject, options, handler]: Parameters<Bus['subscribe']>): ReturnType<Bus['subscribe']> {
    const deal: MessageHandler = (message) => handler(answering(message));
    return this.#bus.subscribe(subject, options, deal);
  }

  async flush(who?: object): Promise<void> {
    const confirms = this.#toConfirm;
    this.#toConfirm = false;
    const rejects = this.#rejected;
    this.#rejected = false;
    if (confirms) passFaultPoint('flush:before');
    if (rejects) passFaultPoint('rejected:flush');
    await this.#bus.flush(who);
    if (confirms) passFaultPoint('flush:after');
    if (rejects) passFaultPoint('rejected:flushed');
  }

  /** What is asked, with the durable intake's inserts told from others. */
  #stepOf(verb: string, value: unknown): string {
    if (verb === 'suspect') this.#alone = true;
    if (verb !== 'insert' || !(value as { brief?: boolean }).brief) return verb;
    const alone = this.#alone;
    this.#alone = false;
    return alone ? 'alone' : 'keep';
  }
}

/** The message with fault points around its answer. */
function answering(message: Message): Message {
  const { subject, body, headers, reply } = message;
  const verb = verbOf(subject);
  const respond: Message['respond'] = (answer) => {
    // An answer of the worker protocol has the contract's shape.
    const empty = verb === 'claim' && (answer.body.value as { jobs?: unknown[] }).jobs?.length === 0;
    if (!empty) passFaultPoint(`${verb}:reply`);
    message.respond(answer);
    if (!empty) passFaultPoint(`${verb}:replied`);
  };
  return { subject, body, headers, reply, respond };
}

/** The verb is the last token, but of an enqueue, which ends with the queue. */
function verbOf(subject: string): string {
  const tokens = subject.split('.');
  return tokens[1] === 'enqueue' ? 'enqueue' : (tokens.at(-1) ?? '');
}
