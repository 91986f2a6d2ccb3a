import { isBareCompletion, type Outcome } from '../../job/outcome.ts';
import { arrayOf, type Check, integer, object, string, time } from '../../kernel/check.ts';
import { timeText } from '../../kernel/clock.ts';

/** A job id as given: any text, so that an unknown one is answered as such. */
export const jobId = string({ max: 64, what: 'a job id' });

/** Which attempt, times in milliseconds since the epoch. */
export interface AttemptRef {
  id: string;
  attempt: number;
  run?: number;
  insertedAt?: number;
}

/** An attempt and how it ended. */
export type OutcomeReport = AttemptRef & Outcome;

/** Attempts that completed without a result, as the wire has them: what they have in common once. */
export interface PlainEndsView {
  attempt: number;
  run: number;
  /** RFC 3339. */
  insertedAt: string;
  ids: string[];
}

/**
 * Reads lists of {@link PlainEndsView} into outcomes.
 * @param max how many outcomes they may be together
 */
export function plainEnds(max: number): Check<OutcomeReport[]> {
  const read = arrayOf(
    object({
      attempt: integer(0, Number.MAX_SAFE_INTEGER),
      run: integer(1, Number.MAX_SAFE_INTEGER),
      insertedAt: time,
      ids: arrayOf(jobId, { max }),
    }),
    { max },
  );
  return (value, path, issues) => {
    const lists = read(value, path, issues);
    const reports: OutcomeReport[] = [];
    for (const { ids, attempt, run, insertedAt } of lists ?? []) {
      if (reports.length + ids.length > max) return issues.add(path, `must name ${max} jobs at most`);
      for (const id of ids) reports.push({ outcome: 'complete', result: null, id, attempt, run, insertedAt });
    }
    return lists && reports;
  };
}

/** Tells outcomes that are plain from the others. Neighbours, which mostly came together, share a list. */
export function plainEndsOf(reports: readonly OutcomeReport[]): { plain: PlainEndsView[]; others: OutcomeReport[] } {
  const plain: PlainEndsView[] = [];
  const others: OutcomeReport[] = [];
  let last: (AttemptRef & { ids: string[] }) | undefined;
  for (const report of reports) {
    const { id, attempt, run, insertedAt } = report;
    if (!isBareCompletion(report) || run === undefined || insertedAt === undefined) others.push(report);
    else if (last?.attempt === attempt && last.run === run && last.insertedAt === insertedAt) last.ids.push(id);
    else {
      last = { id, attempt, run, insertedAt, ids: [id] };
      plain.push({ attempt, run, insertedAt: timeText(insertedAt), ids: last.ids });
    }
  }
  return { plain, others };
}
