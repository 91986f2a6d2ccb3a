import { type MessagePort, workerData } from 'node:worker_threads';
import { Persistence } from '../actors/persistence/persistence.ts';
import { systemClock } from '../kernel/clock.ts';
import { systemRandom } from '../kernel/identity.ts';
import { createLogger, type LogLevel } from '../kernel/log.ts';
import { PortBus } from '../messaging/local/port-bus.ts';
import { Subjects } from '../messaging/subjects.ts';
import { openSqliteStore } from '../store/sqlite/sqlite-store.ts';
import { hostedThread } from '../supervisor/supervisor.ts';

/** What the persistence thread is given by the tree. Durations are milliseconds. */
export interface PersistenceThreadData {
  /** This thread's end of the way to the bus. */
  port: MessagePort;
  /** The database file, or `:memory:`. */
  path: string;
  node: string;
  prefix: string;
  leaseMs: number;
  beatMs: number;
  pollMs: number;
  eventsKept?: boolean;
  logLevel: LogLevel;
}

// The tree that makes this thread fills this in.
const { port, path, node, prefix, logLevel, ...world } = workerData as PersistenceThreadData;
const log = createLogger(logLevel).child({ node, part: 'persistence' });
const subjects = new Subjects(prefix);
const bus = new PortBus(port, { clock: systemClock, subjects });
const store = openSqliteStore({ path, random: systemRandom });
const persistence = new Persistence({ store, bus, subjects, clock: systemClock, node, ...world, log });

hostedThread({ onStart: () => persistence.start(), onShutdown: () => persistence.stop() });
