import type { AnyActorRef } from 'xstate';
import { type ChildRecord, newRecord, restartsOf } from './child-record.ts';
import { type ChildSpec, type ChildType, checkSpec } from './child-spec.ts';
import type { Keeper } from './keeper.ts';
import { failedToStart, SupervisorError, type SupervisorErrorCode } from './supervisor-error.ts';

/** One row of `whichChildren`. */
export interface ChildInfo {
  readonly id: string;
  /** `restarting` while a failed restart waits for its next try; undefined when it does not run. */
  readonly actor: AnyActorRef | 'restarting' | undefined;
  readonly type: ChildType;
  /** The number of its latest life, from 1. */
  readonly incarnation: number;
  /** How often it was started again. */
  readonly restarts: number;
}

/** `active` counts those that run; `specs` is 1 for a dynamic supervisor, as in OTP. */
export interface ChildCounts {
  readonly specs: number;
  readonly active: number;
  readonly supervisors: number;
  readonly workers: number;
}

/** Adds a child and starts it: `supervisor:start_child/2`. */
export function startChild(keeper: Keeper, spec: ChildSpec): Promise<AnyActorRef> {
  return keeper.call(async () => {
    const checked = checkSpec(spec, keeper.options.autoShutdown);
    const present = keeper.children.get(checked.id);
    if (present) throw refusal(present.status === 'running' ? 'already_started' : 'already_present', checked.id);
    const record = newRecord(checked, checked.input);
    const actor = await start(keeper, record);
    keeper.children.set(checked.id, record);
    return actor;
  });
}

/** Starts one more child from the template, like `supervisor:start_child/2` under `simple_one_for_one`. */
export function startDynamicChild(keeper: Keeper, given: { readonly input?: unknown }): Promise<AnyActorRef> {
  return keeper.call(async () => {
    const [template] = keeper.options.specs;
    if (!template) throw refusal('not_found', keeper.options.name);
    if (keeper.children.size >= keeper.options.maxChildren) throw refusal('max_children', keeper.options.name);
    keeper.dynamicStarts += 1;
    const spec = { ...template, id: `${template.id}-${keeper.dynamicStarts}` };
    const record = newRecord(spec, 'input' in given ? given.input : template.input);
    const actor = await start(keeper, record);
    keeper.children.set(spec.id, record);
    return actor;
  });
}

/** Stops a child; its spec stays unless it is temporary or dynamic: `supervisor:terminate_child/2`. */
export function terminateChild(keeper: Keeper, id: string): Promise<void> {
  return keeper.call(async () => {
    const record = find(keeper, id);
    await keeper.halt(record);
    if (record.spec.restart === 'temporary' || isDynamic(keeper)) keeper.children.delete(id);
  });
}

/** Starts a child that does not run: `supervisor:restart_child/2`. */
export function restartChild(keeper: Keeper, id: string): Promise<AnyActorRef> {
  return keeper.call(async () => {
    const record = findStopped(keeper, id);
    return start(keeper, record);
  });
}

/** Forgets a child that does not run: `supervisor:delete_child/2`. */
export function deleteChild(keeper: Keeper, id: string): Promise<void> {
  return keeper.call(async () => {
    keeper.children.delete(findStopped(keeper, id).spec.id);
  });
}

/** All children, newest first. Empty on a dead supervisor. */
export function whichChildren(keeper: Keeper): ChildInfo[] {
  if (keeper.exit) return [];
  return [...keeper.children.values()].reverse().map((record) => ({
    id: record.spec.id,
    actor: record.status === 'restarting' ? 'restarting' : record.life?.actor,
    type: record.spec.type,
    incarnation: record.incarnation,
    restarts: restartsOf(record),
  }));
}

/** How many children there are, and of which kind. Zeros on a dead supervisor. */
export function countChildren(keeper: Keeper): ChildCounts {
  if (keeper.exit) return { specs: 0, active: 0, supervisors: 0, workers: 0 };
  const records = [...keeper.children.values()];
  const supervisors = records.filter((record) => record.spec.type === 'supervisor').length;
  return {
    specs: isDynamic(keeper) ? 1 : records.length,
    active: records.filter((record) => record.life?.actor).length,
    supervisors,
    workers: records.length - supervisors,
  };
}

/** The actor of a child that runs. */
export function childActor(keeper: Keeper, id: string): AnyActorRef | undefined {
  const record = keeper.exit ? undefined : keeper.children.get(id);
  return record?.status === 'running' ? record.life?.actor : undefined;
}

async function start(keeper: Keeper, record: ChildRecord): Promise<AnyActorRef> {
  const outcome = await keeper.launch(record);
  if ('cause' in outcome) throw failedToStart(record.spec.id, outcome.cause);
  return outcome.actor;
}

function find(keeper: Keeper, id: string): ChildRecord {
  const record = keeper.children.get(id);
  if (!record) throw refusal('not_found', id);
  return record;
}

function findStopped(keeper: Keeper, id: string): ChildRecord {
  if (isDynamic(keeper)) throw refusal('simple_one_for_one', keeper.options.name);
  const record = find(keeper, id);
  if (record.status !== 'stopped') throw refusal(record.status, id);
  return record;
}

function isDynamic(keeper: Keeper): boolean {
  return keeper.options.strategy === 'dynamic';
}

function refusal(code: SupervisorErrorCode, whom: string): SupervisorError {
  return new SupervisorError(code, `"${whom}": ${code}`);
}
