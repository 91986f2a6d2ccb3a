import type { Verbs } from './group.ts';
import { announced, unannounced } from './statements/announced.ts';
import { beat } from './statements/beat.ts';
import { cancel } from './statements/cancel.ts';
import { changeSchedules } from './statements/change-schedules.ts';
import { claim } from './statements/claim.ts';
import { count } from './statements/count.ts';
import { deleteOne } from './statements/delete.ts';
import { expire } from './statements/expire.ts';
import { get, states } from './statements/get.ts';
import { insert } from './statements/insert.ts';
import { lead, leader, resign } from './statements/leadership.ts';
import { list } from './statements/list.ts';
import { nodes, registerNode, removeNode } from './statements/nodes.ts';
import { progress, touch } from './statements/progress.ts';
import { prune } from './statements/prune.ts';
import { changeQueue, nextStart, queues } from './statements/queue-changes.ts';
import { sortPartitions } from './statements/queue-sorting.ts';
import { reject, rejected, suspect } from './statements/rejected-messages.ts';
import { finishRequests, holdRequests, takeRequests } from './statements/requests.ts';
import { rescue } from './statements/rescue.ts';
import { retry } from './statements/retry.ts';
import { runSchedules } from './statements/run-schedules.ts';
import { scheduleChanges, schedules } from './statements/schedules.ts';
import { settle } from './statements/settle.ts';
import { stage } from './statements/stage.ts';
import { sweep } from './statements/sweep.ts';
import { reboot, tick } from './statements/tick.ts';
import { update } from './statements/update.ts';
import { claimable, waitingTypes } from './statements/waiting-jobs.ts';

/** Every verb of the port. */
export const VERBS: Verbs = {
  ...{ insert, claim, settle, beat, touch, progress, get, states, list, count, waitingTypes, claimable },
  ...{ cancel, retry, delete: deleteOne, update, sweep, expire, stage, rescue, prune },
  ...{ unannounced, announced, registerNode, removeNode, nodes, lead, resign, leader },
  ...{ schedules, scheduleChanges, changeSchedules, tick, reboot, runSchedules },
  ...{ reject, rejected, suspect, queues, changeQueue, sortPartitions, nextStart },
  ...{ takeRequests, finishRequests, holdRequests },
};
