import { type AttemptRow, refusalOf } from './attempt-row.ts';
import type { BeatResult, RunRef } from './job-store.ts';

/**
 * What a worker is told of the jobs that it says it runs but that are not, or no longer, its own. Pure.
 * @param known the rows of those jobs by id, and whose beat it is
 */
export function beatAnswer(
  running: readonly RunRef[],
  known: { rows: ReadonlyMap<string, AttemptRow>; worker: string },
): BeatResult {
  const result: BeatResult = { cancel: [], lost: [] };
  const seen = new Set<string>();
  for (const ref of running) {
    const row = known.rows.get(ref.id);
    if (seen.has(ref.id) || refusalOf(row, ref, known.worker) === undefined) continue;
    seen.add(ref.id);
    const cancelled = row?.terminate !== null && row?.worker === known.worker && (ref.run ?? row.run) === row.run;
    if (row !== undefined && cancelled) result.cancel.push({ id: ref.id, terminate: row.terminate === true });
    else result.lost.push(ref.id);
  }
  return result;
}
