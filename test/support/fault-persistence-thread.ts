// The thread of persistence as `src/app/persistence-thread.ts` makes it, with fault points in its store and its bus.
import { fdatasyncSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { Persistence } from '../../src/actors/persistence/persistence.ts';
import type { PersistenceThreadData } from '../../src/app/persistence-thread.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { systemRandom } from '../../src/kernel/identity.ts';
import { createLogger } from '../../src/kernel/log.ts';
import { PortBus } from '../../src/messaging/local/port-bus.ts';
import { Subjects } from '../../src/messaging/subjects.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { endHosted, hostedThread } from '../../src/supervisor/supervisor.ts';
import { withFaults } from './fault-bus.ts';
import { endsPersistence, passFaultPoint } from './fault-point.ts';
import { FaultStore } from './fault-store.ts';

// The program that makes this thread fills this in.
const { port, store: place, node, prefix, leaseMs, beatMs, pollMs, logLevel } = workerData as PersistenceThreadData;
let isSyncing = false;
// A disk that fails is the persistence thread's end too, if all is well with it.
endsPersistence(() => {
  if (isSyncing) throw new Error('the disk failed');
  process.exit(1);
});
const syncFile = (fd: number): void => {
  isSyncing = true;
  try {
    passFaultPoint('disk:sync');
  } finally {
    isSyncing = false;
  }
  fdatasyncSync(fd);
};
const log = createLogger(logLevel).child({ node, part: 'persistence' });
const subjects = new Subjects(prefix);
const bus = withFaults(new PortBus(port, { clock: systemClock, subjects }));
const path = place.kind === 'sqlite' ? place.path : '';
const store = new FaultStore(openSqliteStore({ path, random: systemRandom, syncFile, onBroken: endHosted }));
const persistence = new Persistence({ store, bus, subjects, clock: systemClock, node, leaseMs, beatMs, pollMs, log });

hostedThread({ onStart: () => persistence.start(), onShutdown: () => persistence.stop() });
