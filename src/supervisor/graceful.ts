import type { AnyActorLogic, AnyStateMachine, AnyStateNode } from 'xstate';

const graceful = new WeakMap<AnyActorLogic, boolean>();

/** Marks a logic that is no machine as one that understands `{ type: 'shutdown' }`. */
export function markGraceful<T extends AnyActorLogic>(logic: T): T {
  graceful.set(logic, true);
  return logic;
}

/**
 * Whether a child of this logic is asked before it is stopped, as an OTP process that traps exits is: a machine with a
 * transition for `shutdown` in any of its states (one that does nothing counts), or a marked logic.
 * A wildcard `*` is no answer to a request that it does not know.
 */
export function isGraceful(logic: AnyActorLogic): boolean {
  const known = graceful.get(logic);
  if (known !== undefined) return known;
  const answer = isMachine(logic) && handlesShutdown(logic.root);
  graceful.set(logic, answer);
  return answer;
}

function isMachine(logic: AnyActorLogic): logic is AnyStateMachine {
  return 'root' in logic && typeof logic.root === 'object' && logic.root !== null && 'transitions' in logic.root;
}

function handlesShutdown(node: AnyStateNode): boolean {
  return node.transitions.has('shutdown') || Object.values(node.states).some(handlesShutdown);
}
