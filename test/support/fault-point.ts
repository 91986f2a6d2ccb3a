import { writeFileSync } from 'node:fs';

/**
 * Fault points of a node that tests run: `ROTA_TEST_FAULT` is `<point>#<n>`, and the process kills itself with SIGKILL
 * when it passes that point for the n-th time. It first writes the point's name to the file `ROTA_TEST_FAULT_FILE`, so
 * that the test knows that it was really there. Each thread counts for itself; a point belongs to one of them.
 */
const [wanted = '', times = '1'] = (process.env.ROTA_TEST_FAULT ?? '').split('#');
let passed = 0;

/** Whether it is this point that the node is to die at. */
export const faultIsAt = (point: string): boolean => point === wanted;

/** Passes a point, perhaps for the last time. */
export function passFaultPoint(point: string): void {
  if (!faultIsAt(point)) return;
  passed += 1;
  if (passed !== Number(times)) return;
  writeFileSync(process.env.ROTA_TEST_FAULT_FILE ?? '/dev/null', point);
  process.kill(process.pid, 'SIGKILL');
}
