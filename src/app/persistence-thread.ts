import { type MessagePort, workerData } from 'node:worker_threads';
import { Persistence } from '../actors/persistence/persistence.ts';
import { followingClock, systemClock } from '../kernel/clock.ts';
import { createLogger, type LogLevel } from '../kernel/log.ts';
import { PortBus } from '../messaging/local/port-bus.ts';
import { Subjects } from '../messaging/subjects.ts';
import { endHosted, hostedThread } from '../supervisor/supervisor.ts';
import { openStore } from './open-store.ts';
import type { StorePlace } from './settings.ts';

/** What the persistence thread is given by the tree. Durations are milliseconds. */
export interface PersistenceThreadData {
  /** This thread's end of the way to the bus. */
  port: MessagePort;
  store: StorePlace;
  node: string;
  prefix: string;
  leaseMs: number;
  beatMs: number;
  pollMs: number;
  eventsKept?: boolean;
  logLevel: LogLevel;
}

// The tree that makes this thread fills this in.
const { port, store: place, prefix, logLevel, ...world } = workerData as PersistenceThreadData;
const log = createLogger(logLevel).child({ node: world.node, part: 'persistence' });
const clock = followingClock(systemClock);
const subjects = new Subjects(prefix);
const bus = new PortBus(port, { clock, subjects });
const stopping = new AbortController();
/** For how long a start waits for a database server, in milliseconds: less than the tree gives it, so that it says why. */
const REACH_MS = 25_000;
/**
 * For how long a few facts wait, in milliseconds. The main thread, when it gets a job, is often woken on the core that this
 * one runs on, and begins when this one rests.
 */
const REST_MS = 1;
let persistence: Persistence | undefined;

hostedThread({
  onStart: async () => {
    const given = clock.setTimeout(() => stopping.abort(), REACH_MS);
    // What a broken store has left in doubt, the next thread finds when it opens it.
    const store = await openStore(place, { clock, log, signal: stopping.signal, onBroken: endHosted });
    clock.clearTimeout(given);
    persistence = new Persistence({ store, bus, subjects, clock, restMs: REST_MS, log, ...world });
    await persistence.start();
  },
  onShutdown: async () => {
    stopping.abort();
    await persistence?.stop();
  },
});
