import type { AnyActorRef } from 'xstate';
import type { Exit } from './exit.ts';
import type { Environment } from './supervisor-options.ts';
import type { TreeNode } from './tree.ts';

/** What a supervisor sees of a supervisor below it. */
export interface Nested {
  /** Resolves when all its children have started, or when it has ended. Never rejects. */
  readonly settled: Promise<void>;
  readonly exit: Exit | undefined;
  /** Gives up a start that still goes on: what has started is stopped again. */
  abandonStart(cause: unknown): void;
  children(): readonly TreeNode[];
}

const environments = new WeakMap<AnyActorRef, Environment>();
const nesteds = new WeakMap<AnyActorRef, Nested>();

/** Hands a child the world it runs in, before it starts: a supervisor there inherits it. */
export function bequeath(actor: AnyActorRef, environment: Environment): void {
  environments.set(actor, environment);
}

/** The world that the supervisor above has handed down. */
export function inherited(actor: AnyActorRef): Environment | undefined {
  return environments.get(actor);
}

/** Makes a running supervisor known to the one above it. */
export function registerNested(actor: AnyActorRef, nested: Nested): void {
  nesteds.set(actor, nested);
}

/** The supervisor that an actor is, if it is one. */
export function nestedOf(actor: AnyActorRef): Nested | undefined {
  return nesteds.get(actor);
}
