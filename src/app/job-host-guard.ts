import { workerData } from 'node:worker_threads';
import { systemClock } from '../kernel/clock.ts';

// A thread in each process for jobs, which kills it when the node has gone, whatever a handler does meanwhile.

/** How often it looks, in milliseconds. */
const LOOK_MS = 1_000;
const parentPid = workerData as number;

function look(): void {
  if (process.ppid !== parentPid) process.kill(process.pid, 'SIGKILL');
  systemClock.setTimeout(look, LOOK_MS);
}

look();
