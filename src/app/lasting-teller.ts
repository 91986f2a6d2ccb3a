import type { EventTeller, EventTellerWorld } from '../actors/event-teller.ts';
import { Body } from '../messaging/body.ts';
import { plainEvent } from '../messaging/contract/event.ts';

/** Events that are kept for an outage; of more the oldest go. */
const KEPT_MAX = 256;
/** What was published so long before an outage was noticed may not have got out, in milliseconds. */
const UNSURE_MS = 2_000;

interface Kept {
  toldMs: number;
  subject: string;
  body: Body;
}

/**
 * The voice of the node itself: what it tells while the bus is away, or right before that is noticed, it tells (again,
 * with the same id) when the bus is back. Of a broker's own death and restart nobody would hear otherwise.
 */
export function lastingTeller({ bus, subjects, clock, newId, node }: EventTellerWorld): EventTeller {
  let kept: Kept[] = [];
  let downMs = clock.monotonicMs();
  bus.onState((state) => {
    if (state === 'down') {
      downMs = clock.monotonicMs();
      return;
    }
    const unsure = kept.filter(({ toldMs }) => toldMs >= downMs - UNSURE_MS);
    kept = [];
    for (const { subject, body } of unsure) bus.publish(subject, { body });
  });
  return (fact) => {
    const { subject, event } = plainEvent({ ...fact, at: clock.now(), id: newId() }, subjects, node);
    const body = Body.of(event, 'json');
    kept.push({ toldMs: clock.monotonicMs(), subject, body });
    if (kept.length > KEPT_MAX) kept.shift();
    if (bus.state === 'up') bus.publish(subject, { body });
  };
}
