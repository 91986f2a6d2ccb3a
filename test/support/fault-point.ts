import { writeFileSync } from 'node:fs';
import { threadId } from 'node:worker_threads';

/**
 * Fault points of a node that tests run: `ROTA_TEST_FAULT` is `<point>#<n>`, and the node is killed with SIGKILL when
 * that point is passed for the n-th time. The point's name is first written to the file `ROTA_TEST_FAULT_FILE`, so that
 * the test knows that it was really there; while that file is there nothing strikes again. Each thread and each process
 * counts for itself; a point belongs to one kind of them.
 *
 * `ROTA_TEST_FAULT_ENDS` says what ends: `node` (default), `host`, the process for jobs that passes the point, or
 * `persistence`, the thread of that name, wherever the point is passed. The node then lives on.
 */
const [wanted = '', times = '1'] = (process.env.ROTA_TEST_FAULT ?? '').split('#');
const victim = process.env.ROTA_TEST_FAULT_ENDS ?? 'node';
let passed = 0;
let endPersistence = (): void => {
  throw new Error(`${wanted} is not passed where the persistence thread can be ended`);
};

/** Whether it is this point that the node is to die at. */
export const faultIsAt = (point: string): boolean => point === wanted;

/** Says how this thread ends the persistence thread. */
export function endsPersistence(how: () => void): void {
  endPersistence = how;
}

/** Passes a point, perhaps for the last time. */
export function passFaultPoint(point: string): void {
  if (!faultIsAt(point)) return;
  passed += 1;
  if (passed !== Number(times)) return;
  try {
    writeFileSync(process.env.ROTA_TEST_FAULT_FILE ?? '/dev/null', point, { flag: 'wx' });
  } catch {
    return; // it has struck in this life already
  }
  if (victim === 'persistence') endPersistence();
  else if (victim === 'host') process.kill(process.pid, 'SIGKILL');
  else killNode();
}

/** The node's process number, which it hands down to its processes for jobs. */
function killNode(): void {
  const node = Number(process.env.ROTA_TEST_NODE_PID ?? process.pid);
  // Not who has the number of a node that has gone.
  if (node === process.pid || node === process.ppid) process.kill(node, 'SIGKILL');
  // Of another process: what comes after the point must not happen before the node has gone.
  if (threadId === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
}
