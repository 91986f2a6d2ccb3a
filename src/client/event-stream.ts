import { RotaError } from '../kernel/error.ts';
import type { Bus } from '../messaging/bus.ts';
import type { CloudEvent } from '../messaging/contract/event.ts';

/** Events that wait to be read at most; beyond it the stream fails `overloaded` rather than lose some silently. */
const BUFFER_MAX = 100_000;

/** An event with the subject that it came on. */
export type ReceivedEvent = CloudEvent & { natsSubject: string };

/**
 * The events of a subject as an async iterator. It listens from its making until `return` (leaving a `for await`).
 * @throws RotaError from `next`: `overloaded` when the reader is too slow, `forbidden` when this user may not listen
 */
export function eventStream(bus: Bus, subject: string): AsyncIterableIterator<ReceivedEvent> {
  const buffer: ReceivedEvent[] = [];
  let wake: PromiseWithResolvers<void> | undefined;
  let failure: RotaError | undefined;
  let done = false;
  const onRefused = (error: RotaError): void => {
    failure = error;
    wake?.resolve();
  };
  const subscription = bus.subscribe(subject, { onRefused }, (message) => {
    if (buffer.length >= BUFFER_MAX) failure = new RotaError('overloaded', 'events came faster than they were read');
    // Whatever is published there is shown; what is no event is not ours to judge.
    else buffer.push({ ...(message.body.value as CloudEvent), natsSubject: message.subject });
    wake?.resolve();
  });
  const end = async (): Promise<IteratorResult<ReceivedEvent>> => {
    done = true;
    subscription.unsubscribe();
    wake?.resolve();
    return { done: true, value: undefined };
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      for (;;) {
        const value = buffer.shift();
        if (value !== undefined) return { done: false, value };
        if (failure !== undefined) {
          await end();
          throw failure;
        }
        if (done) return { done: true, value: undefined };
        wake = Promise.withResolvers();
        await wake.promise;
      }
    },
    return: end,
  };
}
