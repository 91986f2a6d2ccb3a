import type { AnyJobDefinition } from '../../job/definition.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { IdSource } from '../../kernel/identity.ts';
import type { Bus, Message, Subscription } from '../../messaging/bus.ts';
import { endpointName, endpoints, INTAKE_GROUP } from '../../messaging/contract/endpoints.ts';
import { answer, refuse } from '../../messaging/reply.ts';
import { type Subjects, tokensAfter } from '../../messaging/subjects.ts';
import { eventTeller } from '../event-teller.ts';
import { RequestCounts } from '../request-counts.ts';
import type { Service } from '../service.ts';
import { storeClient } from '../store-client.ts';
import { ControlDesk } from './control-desk.ts';
import { EnqueueDesk } from './enqueue-desk.ts';
import { JobBuilder } from './job-builder.ts';
import { JobDesk } from './job-desk.ts';
import { QueueDesk } from './queue-desk.ts';
import { Registry } from './registry.ts';
import { ScheduleDesk } from './schedule-desk.ts';
import { WaitRoom } from './wait-room.ts';

/** What the intake works with. Durations are milliseconds. */
export interface IntakeWorld {
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  newId: IdSource;
  node: string;
  definitions: ReadonlyMap<string, AnyJobDefinition>;
  queues: ReadonlySet<string>;
  /** The zone of schedules that name none. */
  timezone: string;
  livingMs: number;
  pollMs: number;
}

/** Requests that may be under way at once at each door; one more is answered `overloaded`. */
const INBOX_MAX = 5_000;

/** The edge: takes requests of the wire contract, checks them and refuses or forwards. Holds nothing of its own. */
export function startIntake(world: IntakeWorld): Service {
  const { bus, subjects, clock, newId, node, definitions, queues, timezone, livingMs, pollMs } = world;
  const store = storeClient(bus, subjects);
  const registry = new Registry({ store, clock, definitions, queues, livingMs });
  const waitRoom = new WaitRoom({ bus, subjects, store, clock, pollMs });
  const enqueueDesk = new EnqueueDesk({ bus, store, builder: new JobBuilder({ registry, clock }), newId });
  const jobDesk = new JobDesk({ store, bus, clock, waitRoom, registry });
  const tell = eventTeller({ bus, subjects, clock, newId, node });
  const scheduleDesk = new ScheduleDesk({ bus, subjects, store, registry, clock, newId, tell, timezone });
  const queueDesk = new QueueDesk({ bus, subjects, store, registry, clock, tell, pollMs });
  const controlDesk = new ControlDesk({ bus, subjects, store, registry, queueDesk, scheduleDesk, clock, node });

  const counts = new RequestCounts(
    clock,
    endpoints(subjects).map(({ name }) => name),
  );
  const serve = (pattern: string, deal: (message: Message) => Promise<void>): Subscription =>
    bus.subscribe(`${subjects.prefix}.${pattern}`, { group: INTAKE_GROUP, inboxMax: INBOX_MAX }, (message) =>
      counts.count(
        endpointName(tokensAfter(message.subject, 1)),
        () => deal(message),
        (error) => refuse(message, error),
      ),
    );
  const subscriptions = [
    bus.subscribe(subjects.actor(node, 'intake', 'counts'), {}, (message) => answer(message, counts.view())),
    serve('enqueue.>', (message) => enqueueDesk.serve(message)),
    serve('job.>', (message) => jobDesk.serve(tokensAfter(message.subject, 2).join('.'), message)),
    serve('ctl.>', (message) => {
      const [kind = '', ...verb] = tokensAfter(message.subject, 2);
      return controlDesk.serve(kind, verb.join('.'), message);
    }),
  ];
  const kill = (): void => {
    for (const subscription of subscriptions) subscription.unsubscribe();
    waitRoom.close();
    queueDesk.close();
  };
  return { kill, stop: async () => kill() };
}
