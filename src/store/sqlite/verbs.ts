import type { StoreVerb } from '../job-store.ts';
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
import type { StoreWorld, Verb } from './verb.ts';

/** Every verb of the store. */
export type Verbs = { [V in StoreVerb]: Verb<V> };

/** All verbs over one database. */
export function verbsOf(world: StoreWorld): Verbs {
  return {
    insert: insert(world),
    claim: claim(world),
    settle: settle(world),
    beat: beat(world),
    touch: touch(world),
    progress: progress(world),
    get: get(world),
    states: states(world),
    list: list(world),
    count: count(world),
    waitingTypes: waitingTypes(world),
    claimable: claimable(world),
    cancel: cancel(world),
    retry: retry(world),
    delete: deleteOne(world),
    update: update(world),
    sweep: sweep(world),
    expire: expire(world),
    stage: stage(world),
    rescue: rescue(world),
    prune: prune(world),
    unannounced: unannounced(world),
    announced: announced(world),
    registerNode: registerNode(world),
    removeNode: removeNode(world),
    nodes: nodes(world),
    lead: lead(world),
    resign: resign(world),
    leader: leader(world),
    schedules: schedules(world),
    scheduleChanges: scheduleChanges(world),
    changeSchedules: changeSchedules(world),
    tick: tick(world),
    reboot: reboot(world),
    runSchedules: runSchedules(world),
    reject: reject(world),
    rejected: rejected(world),
    suspect: suspect(world),
    takeRequests,
    finishRequests,
    holdRequests,
    queues: queues(world),
    changeQueue: changeQueue(world),
    sortPartitions: sortPartitions(world),
    nextStart: nextStart(world),
  };
}
