import type { SQLOutputValue } from 'node:sqlite';
import { integer } from '../../cell.ts';
import type { FreshJob } from '../fresh-jobs.ts';
import type { PartitionLine } from '../partition-line.ts';
import type { QueueRule } from '../queue-rules.ts';
import type { StoreWorld } from '../verb.ts';
import { OrderedPicker } from './claim-in-order.ts';
import { PartitionPicker } from './claim-partitions.ts';

type ListRow = SQLOutputValue[];

/** Of jobs that wait, what a claim needs of their rows. */
export const CLAIMED_COLUMNS = `seq, id, run, type, attempt, max_attempts, priority, timeout_ms, scheduled_at, inserted_at,
  reference_type, reference_id, schedule_name, schedule_at, schedule_late, traceparent, tags, meta, args,
  settled_run is null and backoff is null and errors is null and result is null and terminate is null`;

/** Places of the columns that claims are ordered by. */
const [SEQ, PRIORITY, SCHEDULED_AT] = [0, 6, 8];

/** Of a job that was just inserted: no reference, schedule, traceparent, tags and meta. */
const NOTHING = Array.from({ length: 8 }, () => null);

/** What is claimed of. */
export interface PickOptions {
  now: number;
  queue: string;
  rule: QueueRule | undefined;
  types: readonly string[] | undefined;
}

/** Rows of {@link CLAIMED_COLUMNS} that may be claimed, in order, and the partition of each where the queue has some. */
export interface Picked {
  rows: ListRow[];
  keys?: ReadonlyMap<ListRow, string>;
}

/** Picks so many jobs; what it picked before was claimed. */
export type PickNext = (limit: number) => Picked;

/** Looks for what a claim takes, the same way for its whole length. */
export function claimPicker(world: StoreWorld): (options: PickOptions) => PickNext {
  const ordered = new OrderedPicker(world, CLAIMED_COLUMNS, inOrder);
  const partitions = new PartitionPicker(world, CLAIMED_COLUMNS, inOrder);
  // In the order of the list, which the other side of the join follows.
  const at = world.lists(
    `select ${CLAIMED_COLUMNS} from (select value as wanted from json_each(?)) cross join jobs on seq = wanted`,
  );

  /** In order, from memory as long as all of it is there. */
  function inTurn({ now, queue, types }: PickOptions): PickNext {
    let isFresh = true;
    let isClear = types === undefined;
    return (limit) => {
      const fresh = isFresh ? ordered.pickFresh({ queue, limit, types }) : undefined;
      isFresh = fresh !== undefined;
      if (fresh !== undefined) return { rows: fresh.map(freshRow) };
      // What is all to be taken has nothing in its way.
      if (!isClear && types !== undefined) ordered.clear(queue, types);
      isClear = true;
      return { rows: ordered.pick({ now, queue, limit, types }) };
    };
  }

  /** From the line of a queue with partitions. */
  function fromLine(line: PartitionLine, { now, queue, types }: PickOptions): PickNext {
    const room = (key: string): number => world.queues.roomFor(queue, key);
    const wanted = types && new Set(types);
    return (limit) => {
      const jobs = line.pick({ now, limit, types: wanted, room });
      const places = jobs.map(({ place }) => place);
      const rows = world.fresh.at(places)?.map(freshRow) ?? at.all(JSON.stringify(places));
      return { rows, keys: new Map(rows.map((row, index) => [row, jobs[index]?.key ?? ''])) };
    };
  }

  return (options) => {
    const { now, queue, rule, types } = options;
    if (!rule?.partition) return inTurn(options);
    const line = world.queues.lines.open(queue);
    if (line !== undefined) return fromLine(line, options);
    const typesText = types && JSON.stringify(types);
    return (limit) => {
      const keys = partitions.pick({ now, rule, limit, types: typesText });
      return { rows: inOrder(keys.keys()), keys };
    };
  };
}

/** Rows of several partitions in the order of claims. */
function inOrder(rows: Iterable<ListRow>): ListRow[] {
  const byColumn = (a: ListRow, b: ListRow, column: number) => integer(a[column]) - integer(b[column]);
  return [...rows].sort((a, b) => byColumn(a, b, PRIORITY) || byColumn(a, b, SCHEDULED_AT) || byColumn(a, b, SEQ));
}

/** The row of a job that was just inserted, as it would be read. */
function freshRow({ place, id, args, alike }: FreshJob): ListRow {
  const { type, maxAttempts, priority, scheduledAt, insertedAt } = alike;
  return [place, id, 0, type, 0, maxAttempts, priority, null, scheduledAt, insertedAt, ...NOTHING, args, 1];
}
