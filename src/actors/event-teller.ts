import type { Clock } from '../kernel/clock.ts';
import type { IdSource } from '../kernel/identity.ts';
import { Body } from '../messaging/body.ts';
import type { Bus } from '../messaging/bus.ts';
import { type PlainFact, plainEvent } from '../messaging/contract/event.ts';
import type { Subjects } from '../messaging/subjects.ts';

/** What the teller speaks with. */
export interface EventTellerWorld {
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  newId: IdSource;
  node: string;
}

/** Tells a fact that is not about a job; time and id are filled in. Lost while the bus is down: nothing relies on it. */
export type EventTeller = (fact: Omit<PlainFact, 'at' | 'id'>) => void;

/** The voice of a node's actors. */
export function eventTeller({ bus, subjects, clock, newId, node }: EventTellerWorld): EventTeller {
  return (fact) => {
    const { subject, event } = plainEvent({ ...fact, at: clock.now(), id: newId() }, subjects, node);
    bus.publish(subject, { body: Body.of(event, 'json') });
  };
}
