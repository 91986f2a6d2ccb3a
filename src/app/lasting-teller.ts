import type { EventTeller, EventTellerWorld } from '../actors/event-teller.ts';
import type { TimerHandle } from '../kernel/clock.ts';
import { Body } from '../messaging/body.ts';
import type { Envelope } from '../messaging/bus.ts';
import { plainEvent } from '../messaging/contract/event.ts';
import { onceHeaders } from '../messaging/event-history.ts';

/** Events that are kept for an outage; of more the oldest go. */
const KEPT_MAX = 256;
/** What was published so long before an outage was noticed may not have got out, in milliseconds. */
const UNSURE_MS = 2_000;
/** NATS clients are back so long after an outage, in milliseconds, unless they are told otherwise. */
const RETURN_MS = 3_000;

interface Kept {
  toldMs: number;
  subject: string;
  envelope: Envelope;
}

/**
 * The voice of the node itself: what it tells while the bus is away, or right before that is noticed, it tells when the
 * bus is back, and once more with the same ids when those who listen should be back too. Of a broker's own death and
 * restart nobody would hear otherwise.
 */
export function lastingTeller(world: EventTellerWorld & { eventsKept: boolean }): EventTeller {
  const { bus, subjects, clock, newId, node, eventsKept } = world;
  /** Published in the usual way; all of it is out unless an outage comes soon. */
  let recent: Kept[] = [];
  /** To be told when the bus is back. */
  let untold: Kept[] = [];
  let wasUp = false;
  let again: TimerHandle;
  const publishUntold = (): void => {
    for (const { subject, envelope } of untold) bus.publish(subject, envelope);
  };
  bus.onState((state) => {
    clock.clearTimeout(again);
    again = undefined;
    if (state === 'down') {
      const unsureFrom = clock.monotonicMs() - UNSURE_MS;
      untold = [...untold, ...recent.filter(({ toldMs }) => toldMs >= unsureFrom)].slice(-KEPT_MAX);
      recent = [];
      return;
    }
    publishUntold();
    if (wasUp) {
      again = clock.setTimeout(() => {
        again = undefined;
        publishUntold();
        untold = [];
      }, RETURN_MS);
    } else untold = [];
    wasUp = true;
  });
  return (fact) => {
    const { subject, event } = plainEvent({ ...fact, at: clock.now(), id: newId() }, subjects, node);
    const envelope = { body: Body.of(event, 'json'), ...onceHeaders(event.id, eventsKept) };
    const up = bus.state === 'up';
    if (up) bus.publish(subject, envelope);
    const list = up && again === undefined ? recent : untold;
    list.push({ toldMs: clock.monotonicMs(), subject, envelope });
    if (list.length > KEPT_MAX) list.shift();
  };
}
