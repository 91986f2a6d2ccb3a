import type { AnyActorRef } from 'xstate';
import { errorText } from '../kernel/error.ts';
import type { ChildSpec } from './child-spec.ts';
import { type ExitReason, reasonOf } from './exit.ts';
import { Keeper } from './keeper.ts';
import {
  type ChildCounts,
  type ChildInfo,
  childActor,
  countChildren,
  deleteChild,
  restartChild,
  startChild,
  startDynamicChild,
  terminateChild,
  whichChildren,
} from './supervisor-calls.ts';
import { defaultEnvironment, keeperOf, type SupervisorLogic, supervisorLogic } from './supervisor-logic.ts';
import {
  type CheckedOptions,
  checkDynamicOptions,
  checkOptions,
  type DynamicSupervisorOptions,
  type Environment,
  type SupervisorOptions,
} from './supervisor-options.ts';
import { type TreeNode, treeNode } from './tree.ts';

export type { Backoff } from './backoff.ts';
export type { AutoShutdown, ChildSpec, ChildType, RestartType, Shutdown } from './child-spec.ts';
export { holdUntil } from './cleanup.ts';
export type { ExitReason } from './exit.ts';
export { type HostControls, type Hosted, isHostReady } from './host.ts';
export {
  endHosted,
  type HostedOptions,
  type HostedProcess,
  type HostedThread,
  hostedProcess,
  hostedThread,
} from './hosted.ts';
export { openProcess, type ProcessOptions, processActor } from './process-host.ts';
export type { Report, ReportListener } from './report.ts';
export type { ChildCounts, ChildInfo } from './supervisor-calls.ts';
export { SupervisorError, type SupervisorErrorCode } from './supervisor-error.ts';
export type { SupervisorLogic } from './supervisor-logic.ts';
export type { DynamicSupervisorOptions, Environment, Strategy, SupervisorOptions } from './supervisor-options.ts';
export { openThread, type ThreadOptions, threadActor } from './thread-host.ts';
export type { TreeNode } from './tree.ts';

/**
 * A running supervisor. All calls reject with a {@link SupervisorError}: `noproc` when it is dead. A handle holds one
 * life of a supervisor: look nested ones up afresh.
 */
export interface Supervisor {
  readonly name: string;
  /** Adds a child and starts it. Refusals: those of specs, `already_started`, `already_present`, `failed_to_start_child`. */
  startChild(spec: ChildSpec): Promise<AnyActorRef>;
  /** Stops a child; not restarted. Its spec stays unless it is temporary or dynamic. Refusal: `not_found`. */
  terminateChild(id: string): Promise<void>;
  /** Starts a child that does not run. Refusals: `running`, `restarting`, `not_found`, `failed_to_start_child`. */
  restartChild(id: string): Promise<AnyActorRef>;
  /** Forgets a child that does not run. Refusals: `running`, `restarting`, `not_found`. */
  deleteChild(id: string): Promise<void>;
  /** Newest first. */
  whichChildren(): ChildInfo[];
  countChildren(): ChildCounts;
  /** The current actor of a child, while it runs. */
  child(id: string): AnyActorRef | undefined;
  /** The supervisor that a child is, while it runs. A dynamic one too: its calls differ, see {@link DynamicSupervisor}. */
  supervisor(id: string): Supervisor | undefined;
  /** The dynamic supervisor that a child is, while it runs. */
  dynamicSupervisor(id: string): DynamicSupervisor | undefined;
  /** Everything from here down, as plain data. */
  tree(): TreeNode;
  /** Stops all children, then the supervisor. Answers the reason with which it ended, also when it had before. */
  stop(): Promise<ExitReason>;
  /** How it ended, whoever ended it. Never rejects. */
  readonly exited: Promise<ExitReason>;
}

/** A running dynamic supervisor. `restartChild` and `deleteChild` are refused with `simple_one_for_one`. */
export interface DynamicSupervisor extends Omit<Supervisor, 'startChild'> {
  /**
   * Starts one more child from the template; the actor's `id` is the child's. What is given takes the place of the
   * template's `input`. Refusals: `max_children`, `failed_to_start_child`.
   */
  startChild(...input: [input?: unknown]): Promise<AnyActorRef>;
}

/** The world of a tree, and a way to give up its start. */
export interface RootOptions extends Partial<Environment> {
  /** When it aborts before all children have started, the start fails with its reason as the last cause. */
  readonly signal?: AbortSignal;
}

/**
 * Starts a supervisor at the root of a tree.
 * @param root `clock` and `onReport` hold for the whole tree; `random` is for the jitter of backoffs
 * @returns its handle, when all children have started
 * @throws {SupervisorError} for options that do not fit; `failed_to_start_child` when a child did not start (those
 *   before it are stopped again)
 */
export async function startSupervisor(options: SupervisorOptions, root: RootOptions = {}): Promise<Supervisor> {
  return supervisorHandle(await startRoot(checkOptions(options), root));
}

/** As {@link startSupervisor}, for a dynamic supervisor. It starts without children. */
export async function startDynamicSupervisor(
  options: DynamicSupervisorOptions,
  root: RootOptions = {},
): Promise<DynamicSupervisor> {
  return dynamicHandle(await startRoot(checkDynamicOptions(options), root));
}

/** The logic of a supervisor below another: `{ id, type: 'supervisor', start: () => supervisor({ … }) }`. */
export function supervisor(options: SupervisorOptions): SupervisorLogic {
  return supervisorLogic(() => checkOptions(options));
}

/** The logic of a dynamic supervisor below another. */
export function dynamicSupervisor(options: DynamicSupervisorOptions): SupervisorLogic {
  return supervisorLogic(() => checkDynamicOptions(options));
}

async function startRoot(options: CheckedOptions, { signal, ...environment }: RootOptions): Promise<Keeper> {
  const keeper = new Keeper(options, { ...defaultEnvironment, ...defined(environment) });
  const abandon = (): void => keeper.abandonStart(signal?.reason);
  if (signal?.aborted) abandon();
  signal?.addEventListener('abort', abandon);
  await keeper.settled;
  signal?.removeEventListener('abort', abandon);
  if (keeper.exit?.kind === 'error') throw keeper.exit.error;
  return keeper;
}

/** A setting that is there but undefined is a setting left out. */
function defined<T extends object>(settings: T): T {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as T; // a part of T
}

function commonHandle(keeper: Keeper): Omit<Supervisor, 'startChild'> {
  const nested = (id: string): Keeper | undefined => {
    const actor = childActor(keeper, id);
    return actor && keeperOf(actor);
  };
  const exited = keeper.exited.then(reasonOf);
  return {
    name: keeper.options.name,
    exited,
    terminateChild: (id) => terminateChild(keeper, id),
    restartChild: (id) => restartChild(keeper, id),
    deleteChild: (id) => deleteChild(keeper, id),
    whichChildren: () => whichChildren(keeper),
    countChildren: () => countChildren(keeper),
    child: (id) => childActor(keeper, id),
    supervisor: (id) => {
      const found = nested(id);
      return found && (isDynamic(found) ? dynamicHandle(found) : supervisorHandle(found));
    },
    dynamicSupervisor: (id) => {
      const found = nested(id);
      return found && isDynamic(found) ? dynamicHandle(found) : undefined;
    },
    tree: () => rootNode(keeper),
    stop: () => {
      keeper.requestStop();
      return exited;
    },
  };
}

function supervisorHandle(keeper: Keeper): Supervisor {
  return { ...commonHandle(keeper), startChild: (spec) => startChild(keeper, spec) };
}

function dynamicHandle(keeper: Keeper): DynamicSupervisor {
  return {
    ...commonHandle(keeper),
    startChild: (...input) => startDynamicChild(keeper, input.length > 0 ? { input: input[0] } : {}),
  };
}

function isDynamic(keeper: Keeper): boolean {
  return keeper.options.strategy === 'dynamic';
}

function rootNode(keeper: Keeper): TreeNode {
  return {
    id: keeper.options.name,
    type: 'supervisor',
    status: keeper.exit ? 'stopped' : 'running',
    incarnation: 1,
    restarts: 0,
    ...(keeper.exit ? { lastReason: errorText(reasonOf(keeper.exit)) } : {}),
    children: [...keeper.children.values()].map(treeNode),
  };
}
