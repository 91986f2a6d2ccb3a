import type { AnyJobDefinition } from '../../job/definition.ts';
import { type Clock, sleep } from '../../kernel/clock.ts';
import { errorText } from '../../kernel/error.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Bus } from '../../messaging/bus.ts';
import type { DurableStreams, StreamReader } from '../../messaging/durable-stream.ts';
import { answer } from '../../messaging/reply.ts';
import type { Subjects } from '../../messaging/subjects.ts';
import { JobBuilder } from '../intake/job-builder.ts';
import { Registry } from '../intake/registry.ts';
import type { Service, ServiceScope } from '../service.ts';
import { storeClient } from '../store-client.ts';
import { MessageDesk } from './message-desk.ts';
import { MessageReader } from './message-reader.ts';

/** What the durable intake works with. Durations are milliseconds. */
export interface DurableIntakeWorld {
  /** What the actor is called: it reads the broker's stream, or what programs wrote into the store's database. */
  name: 'durable-intake' | 'sql-intake';
  bus: Bus;
  streams: DurableStreams;
  subjects: Subjects;
  clock: Clock;
  node: string;
  definitions: ReadonlyMap<string, AnyJobDefinition>;
  queues: ReadonlySet<string>;
  livingMs: number;
  /** After how long a silent node's messages go to others. */
  leaseMs: number;
  /** A stream keeps events, each that may be told again once. */
  eventsKept?: boolean;
  log: Logger;
}

/** The consumer that all nodes share. */
const CONSUMER = 'rota';
/** What the stream holds at most while nobody reads; then the broker refuses more to its publishers. */
const MESSAGES_MAX = 1_000_000;
const BYTES_MAX = 1_073_741_824;
/** Between two tries to open the stream, in milliseconds; the bus coming back ends the wait. */
const RETRY_MS = 2_000;
/** How long a look at the registry may take, in milliseconds. */
const REGISTRY_MS = 5_000;

/**
 * Makes jobs of what was published to `intake.<queue>`, or written into the store's database, whoever was there when it
 * was. The broker or the database keeps the messages; all nodes with this actor share them. A broker without JetStream, or none, is waited for: ready after the first try,
 * whatever came of it.
 */
export async function startDurableIntake(
  world: DurableIntakeWorld,
  { fail }: Pick<ServiceScope, 'fail'>,
): Promise<Service> {
  const { name, bus, streams, subjects, clock, node, definitions, queues, livingMs, leaseMs, log } = world;
  const registry = new Registry({
    ...{ clock, definitions, queues, livingMs },
    store: storeClient(bus, subjects, REGISTRY_MS),
  });
  const reader = new MessageReader(new JobBuilder({ registry, clock }), clock);
  const desk = new MessageDesk({
    ...{ bus, subjects, clock, node, store: storeClient(bus, subjects), reader, eventsKept: world.eventsKept, log },
  });
  const stopping = new AbortController();
  const { signal } = stopping;
  const tried = Promise.withResolvers<void>();
  let open: StreamReader | undefined;
  let told: string | undefined;

  const options = {
    ...{ stream: subjects.intakeStream(), subject: subjects.intake('>'), consumer: CONSUMER },
    ...{ ackWaitMs: leaseMs, messagesMax: MESSAGES_MAX, bytesMax: BYTES_MAX },
  };
  const read = async (stream: StreamReader): Promise<void> => {
    for (;;) {
      const batch = await stream.take(signal);
      if (batch.length === 0) return;
      await desk.handle(batch, signal);
    }
  };
  const life = async (): Promise<void> => {
    try {
      open = await streams.openStream(options);
      log.info({ stream: options.stream }, 'the durable intake reads');
      told = undefined;
      tried.resolve();
      if (!signal.aborted) await read(open);
      if (open.fault !== undefined) log.warn({ error: open.fault }, 'the intake stream is lost; it is opened again');
    } catch (error) {
      const text = errorText(error);
      // Once is enough, and that NATS is away its connection says.
      if (bus.state === 'up' && text !== told) {
        log.warn({ error: text }, 'there is no durable intake for now; it is tried again');
        told = text;
      }
    } finally {
      open?.close();
      open = undefined;
      tried.resolve();
    }
  };
  const lives = async (): Promise<void> => {
    while (!signal.aborted) {
      await life();
      await pause(world, signal);
    }
  };
  const counts = bus.subscribe(subjects.actor(node, name, 'counts'), {}, (message) =>
    answer(message, { intake: desk.counts }),
  );
  const running = lives().catch(fail);
  await tried.promise;
  return {
    stop: async () => {
      stopping.abort();
      counts.unsubscribe();
      await running;
    },
    kill: () => {
      stopping.abort();
      counts.unsubscribe();
      open?.close();
    },
  };
}

/** Waits a while, or until the bus is back. */
async function pause({ bus, clock }: DurableIntakeWorld, signal: AbortSignal): Promise<void> {
  const back = new AbortController();
  const unlisten = bus.onState((state) => {
    if (state === 'up') back.abort();
  });
  await sleep(clock, RETRY_MS, AbortSignal.any([back.signal, signal]));
  unlisten();
}
