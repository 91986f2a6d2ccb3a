import type { AnyActorRef } from 'xstate';

const cleanups = new WeakMap<AnyActorRef, Promise<void>>();

/**
 * Says that what an actor holds outside of XState (a thread, a process, children of its own) goes on after the actor
 * itself has stopped, until `done` resolves. The supervisor above waits for it before it calls the child ended, up to
 * a limit, and reports `leaked` beyond. To be called no later than in the actor's last transition.
 * @param done must not reject
 */
export function holdUntil(actor: AnyActorRef, done: Promise<void>): void {
  const earlier = cleanups.get(actor);
  const all = earlier ? Promise.all([earlier, done]).then(() => undefined) : done;
  cleanups.set(actor, all);
  void all.then(() => {
    if (cleanups.get(actor) === all) cleanups.delete(actor);
  });
}

/** What is still going on for an actor. */
export function cleanupOf(actor: AnyActorRef): Promise<void> | undefined {
  return cleanups.get(actor);
}
