import { jobFact } from '../../../job/job-event.ts';
import { refusalOf } from '../../attempt-row.ts';
import { jsonCell } from '../../cell.ts';
import type { StoreAnswer } from '../../job-store.ts';
import { lockedAttempts } from '../job-columns.ts';
import { texts, words } from '../sql-list.ts';
import type { Verb } from '../verb.ts';

/** Signs of life of workers that claim or wait in a claim: the group has noted them. */
export const touch: Verb<'touch'> = async (_tx, asked) => asked.map(() => null);

/** Keeps running jobs' progress, fenced like a settlement; of several of one job the last stays. */
export const progress: Verb<'progress'> = async (tx, asked) => {
  const rows = await lockedAttempts(
    tx,
    asked.map(({ options }) => options.id),
  );
  const kept = new Map<string, string | null>();
  const answers = asked.map(({ options, tell }): StoreAnswer<'progress'> => {
    const { now, worker, progress: value, ...ref } = options;
    const row = rows.get(ref.id);
    const refused = refusalOf(row, ref, worker) ?? null;
    if (row === undefined || refused !== null) return { refused };
    kept.set(row.id, jsonCell(value));
    tell(jobFact('progress', row, { at: now, progress: value }));
    return { refused: null };
  });
  if (kept.size > 0) {
    await tx.run(
      `update @jobs as jobs set progress = said.progress from unnest($1::uuid[], $2::text[]) as said (id, progress)
        where jobs.id = said.id`,
      [words([...kept.keys()]), texts([...kept.values()])],
    );
  }
  return answers;
};
