import type { AnyJobDefinition } from '../../job/definition.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { IdSource } from '../../kernel/identity.ts';
import type { Bus, Message, Subscription } from '../../messaging/bus.ts';
import { refuse } from '../../messaging/reply.ts';
import { type Subjects, tokensAfter } from '../../messaging/subjects.ts';
import type { Service } from '../service.ts';
import { storeClient } from '../store-client.ts';
import { ControlDesk } from './control-desk.ts';
import { EnqueueDesk } from './enqueue-desk.ts';
import { JobDesk } from './job-desk.ts';
import { Registry } from './registry.ts';
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
  livingMs: number;
  pollMs: number;
}

/** Requests that may be under way at once at each door; one more is answered `overloaded`. */
const INBOX_MAX = 5_000;
const GROUP = 'rota';

/** The edge: takes requests of the wire contract, checks them and refuses or forwards. Holds nothing of its own. */
export function startIntake(world: IntakeWorld): Service {
  const { bus, subjects, clock, newId, node, definitions, queues, livingMs, pollMs } = world;
  const store = storeClient(bus, subjects);
  const registry = new Registry({ store, clock, definitions, queues, livingMs });
  const waitRoom = new WaitRoom({ bus, subjects, store, clock, pollMs });
  const enqueueDesk = new EnqueueDesk({ bus, store, registry, clock, newId });
  const jobDesk = new JobDesk({ store, bus, clock, waitRoom });
  const controlDesk = new ControlDesk({ bus, subjects, store, registry, clock, node });

  const serve = (pattern: string, deal: (message: Message) => Promise<void>): Subscription =>
    bus.subscribe(`${subjects.prefix}.${pattern}`, { group: GROUP, inboxMax: INBOX_MAX }, async (message) => {
      try {
        await deal(message);
      } catch (error) {
        refuse(message, error);
      }
    });
  const subscriptions = [
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
  };
  return { kill, stop: async () => kill() };
}
