import type { SQLOutputValue } from 'node:sqlite';
import type { ClaimedJob } from '../../../job/job.ts';
import { startedFact } from '../../../job/job-event.ts';
import { utf8Bytes } from '../../../kernel/json.ts';
import { type Cell, integer, integerOrNull, json, jsonList, text, textOrNull } from '../../cell.ts';
import { CLAIM_FRAME_BYTES } from '../../claim-size.ts';
import { referenceOf, scheduleOf } from '../../job-row.ts';
import type { ClaimOptions } from '../../job-store.ts';
import { claimedAlike } from '../first-runs.ts';
import { PlacesUpdate } from '../places-update.ts';
import { EXECUTING } from '../run-states.ts';
import type { StoreWorld, Tell, Verb } from '../verb.ts';
import { claimPicker } from './claim-picks.ts';
import { roomOf } from './queue-room.ts';

/** Where the size is limited, rows are read so many at a time: each may have 256 KiB of args. */
const STEP_ROWS = 128;

/**
 * Moves available jobs to executing, ordered by (priority, scheduledAt, insertion). Read first and written as one
 * statement over the places: measured, a third cheaper than `update … returning`, which keeps its rows in a table.
 */
export function claim(world: StoreWorld): Verb<'claim'> {
  const claimIn = claimer(world);
  return (options, tell) => {
    const begun = world.begun?.got(options);
    if (begun === undefined || begun.jobs.length === 0) return claimIn(options, tell);
    begun.facts.forEach(tell);
    const rest = world.counts.of(options.queue, 'available') > 0 ? begun.rest : undefined;
    return begun.with(rest === undefined ? [] : claimIn(rest, tell));
  };
}

/** Claims what waits. */
export type ClaimWaiting = (options: ClaimOptions, tell: Tell) => ClaimedJob[];

/** See {@link ClaimWaiting}. */
export function claimer(world: StoreWorld): ClaimWaiting {
  const picker = claimPicker(world);
  const take = new PlacesUpdate(
    world,
    `update jobs set state = ?, attempt = attempt + 1, run = run + 1, attempted_at = ?, runner = ?, missed_at = null,
      aside = null`,
  );

  return ({ now, queue, worker, node, limit, types, bytesMax }, tell) => {
    const runner = world.workers.seen(worker, node, now);
    const jobs: ClaimedJob[] = [];
    const rule = world.queues.of(queue);
    const room = rule === undefined ? limit : Math.min(limit, roomOf(world, rule, now));
    if (room <= 0) return jobs;
    let bytesLeft = bytesMax ?? Number.POSITIVE_INFINITY;
    const pick = picker({ now, queue, rule, types });
    while (jobs.length < room) {
      const step = bytesMax === undefined ? room : Math.min(room - jobs.length, STEP_ROWS);
      const { rows: found, keys } = pick(step);
      const rows = found.filter((row, index) => {
        if (bytesMax !== undefined) bytesLeft -= bytesOf(row);
        return bytesLeft >= 0 || jobs.length + index === 0;
      });
      if (rows.length === 0) break;
      const places = rows.map(([seq]) => integer(seq));
      take.run(places, EXECUTING, now, runner);
      world.fresh.forget(places);
      if (rule?.partition) world.queues.lines.took(queue, places);
      for (const row of rows) {
        const key = keys?.get(row);
        if (key !== undefined) world.queues.running.claimed(queue, integer(row[0]), key);
        const job = claimedOf(row, queue);
        if (row.at(-1) === 1 && job.run === 1 && job.attempt === 1) {
          world.firstRuns.keep(job.id, integer(row[0]), claimedAlike(job, { now, worker }));
        }
        tell(startedFact(job, now));
        jobs.push(job);
      }
      if (rows.length < step) break;
    }
    world.counts.add(queue, 'available', -jobs.length);
    world.counts.add(queue, EXECUTING, jobs.length);
    if (rule !== undefined) world.queues.started(rule, jobs.length, now);
    return jobs;
  };
}

/** At most how many bytes of JSON the job of a row takes. Names are plain, a reference may be all escapes of 6 bytes. */
function bytesOf(row: readonly SQLOutputValue[]): number {
  const [, , , type, , , , , , , referenceType, referenceId, scheduleName, , , traceparent, tags, meta, args] = row;
  const names = lengthOf(type) + lengthOf(scheduleName) + lengthOf(traceparent);
  const escaped = 6 * (lengthOf(referenceType) + lengthOf(referenceId));
  return CLAIM_FRAME_BYTES + names + escaped + utf8Bytes(text(args)) + 3 * (lengthOf(tags) + lengthOf(meta));
}

const lengthOf = (cell: Cell): number => (typeof cell === 'string' ? cell.length : 0);

/** The job as it is after the claim, from its row before it. */
function claimedOf(row: readonly SQLOutputValue[], queue: string): ClaimedJob {
  // By place: what is left of a destructured list would be a list of its own for each job.
  return {
    id: text(row[1]),
    run: integer(row[2]) + 1,
    type: text(row[3]),
    queue,
    args: json(row[18]),
    attempt: integer(row[4]) + 1,
    maxAttempts: integer(row[5]),
    priority: integer(row[6]),
    timeoutMs: integerOrNull(row[7]),
    meta: json<ClaimedJob['meta'] | null>(row[17]) ?? {},
    tags: jsonList<string>(row[16]),
    reference: referenceOf(row[10], row[11]),
    schedule: scheduleOf(row[12], row[13], row[14]),
    scheduledAt: integer(row[8]),
    insertedAt: integer(row[9]),
    traceparent: textOrNull(row[15]),
  };
}
