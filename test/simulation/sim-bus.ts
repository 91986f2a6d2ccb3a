import type {
  Bus,
  BusState,
  Envelope,
  Message,
  MessageHandler,
  RequestOptions,
  SubscribeOptions,
  Subscription,
} from '../../src/messaging/bus.ts';
import type { SimProcess } from './sim-process.ts';

/** The way of one simulated program to the broker: dies with it, and brings nothing in while it is frozen. */
export class SimBus implements Bus {
  readonly #bus: Bus;
  readonly #process: SimProcess;

  constructor(bus: Bus, process: SimProcess) {
    this.#bus = bus;
    this.#process = process;
  }

  get state(): BusState {
    return this.#bus.state;
  }

  get payloadBytesMax(): number {
    return this.#bus.payloadBytesMax;
  }

  onState(listener: (state: BusState) => void): () => void {
    return this.#bus.onState((state) => this.#process.enter(() => listener(state)));
  }

  publish(subject: string, envelope: Envelope): void {
    if (this.#process.passes()) this.#bus.publish(subject, envelope);
  }

  request(subject: string, envelope: Envelope, options: RequestOptions): Promise<Message> {
    if (!this.#process.passes()) return new Promise(() => {});
    return this.#entering(this.#bus.request(subject, envelope, options));
  }

  subscribe(subject: string, options: SubscribeOptions, handler: MessageHandler): Subscription {
    return this.#bus.subscribe(subject, options, (message) => this.#deliver(message, handler));
  }

  flush(who: object = this): Promise<void> {
    if (!this.#process.passes()) return new Promise(() => {});
    return this.#entering(this.#bus.flush(who));
  }

  close(): Promise<void> {
    return this.#bus.close();
  }

  /** A result that comes in from outside. */
  #entering<T>(outside: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      outside.then(
        (value) => this.#process.enter(() => resolve(value)),
        (error: unknown) => this.#process.enter(() => reject(error)),
      );
    });
  }

  #deliver(message: Message, handler: MessageHandler): void | Promise<void> {
    const { subject, body, headers, reply } = message;
    const process = this.#process;
    const guarded: Message = {
      ...{ subject, body, headers, reply },
      respond: (answer) => {
        if (process.passes()) message.respond(answer);
      },
    };
    if (process.dead) return undefined;
    if (!process.frozen) return handler(guarded);
    return new Promise((resolve, reject) => {
      process.enter(() => {
        Promise.resolve()
          .then(() => handler(guarded))
          .then(resolve, reject);
      });
    });
  }
}
