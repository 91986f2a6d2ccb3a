import { type AnyActor, type EventObject, fromPromise, type InspectionEvent, type Observer } from 'xstate';
import { cleanupOf } from './cleanup.ts';

/** Below this many members nobody looks for dead ones. */
const SWEEP_SIZE_MIN = 32;

/**
 * All actors of one XState system: the child that a supervisor started and whatever was spawned or invoked below it.
 *
 * XState does not stop the descendants of an actor whose own action throws, and it forgets those that were spawned in
 * that very transition; so they are counted here as they are made.
 */
export class Family {
  readonly #members = new Map<AnyActor, (event: EventObject) => void>();
  #sweepSize = SWEEP_SIZE_MIN;

  /** To be given to `createActor` as `inspect`. */
  readonly inspect = (event: InspectionEvent): void => {
    if (event.type === '@xstate.actor' && isActor(event.actorRef)) this.#add(event.actorRef);
  };

  #add(member: AnyActor): void {
    if (this.#members.size >= this.#sweepSize) this.#sweep();
    this.#members.set(member, guard(member));
  }

  #sweep(): void {
    for (const member of this.#members.keys()) {
      if (isStopped(member) && !cleanupOf(member)) this.#members.delete(member);
    }
    this.#sweepSize = Math.max(SWEEP_SIZE_MIN, this.#members.size * 2);
  }

  /** Stops whoever still runs. `Actor.stop` refuses to stop an actor that has a parent, its event does not. */
  stopAll(): void {
    for (const [member, send] of this.#members) if (!isStopped(member)) send({ type: 'xstate.stop' });
  }

  /** What members hold outside of XState and have not let go of yet. */
  cleanups(): Promise<void>[] {
    return [...this.#members.keys()].map(cleanupOf).filter((cleanup) => cleanup !== undefined);
  }

  /** The promises on their way, which stopping their actors will not stop. */
  promisesInFlight(): AnyActor[] {
    return [...this.#members.keys()].filter(
      (member) => isPromiseLogic(member.logic) && member.getSnapshot().status === 'active',
    );
  }
}

/**
 * Keeps outsiders from harming an actor: an event with XState's own prefix is dropped, for it would fake the end of the
 * actor or of its children (XState's own events do not come through `send`); and an observer without an error handler
 * gets one, for XState would throw the actor's error again where nobody can catch it.
 * @returns the unguarded `send`
 */
function guard(actor: AnyActor): (event: EventObject) => void {
  const send = actor.send;
  actor.send = (event: EventObject) => {
    if (typeof event?.type === 'string' && !event.type.startsWith('xstate.')) send(event);
  };
  const subscribe: AnyActor['subscribe'] = actor.subscribe.bind(actor);
  const guarded = (
    observer?: Observer<unknown> | ((snapshot: unknown) => void),
    onError: (error: unknown) => void = ignore,
    onComplete?: () => void,
  ) =>
    typeof observer === 'object' ? subscribe(withErrorHandler(observer)) : subscribe(observer, onError, onComplete);
  actor.subscribe = guarded as AnyActor['subscribe']; // both of its overloads in one
  return send;
}

function withErrorHandler(observer: Observer<unknown>): Observer<unknown> {
  if (observer.error) return observer;
  return {
    next: (snapshot) => observer.next?.(snapshot),
    error: ignore,
    complete: () => observer.complete?.(),
  };
}

const ignore = (): void => {};

/**
 * XState tells this nowhere: the snapshot of an actor that was stopped may still say `active`. Should a release rename
 * the field, a stopped actor is stopped once more, which does nothing but log.
 */
function isStopped(actor: AnyActor): boolean {
  return Reflect.get(actor, '_processingStatus') === 2;
}

/** Not by `instanceof`: a machine from another copy of XState makes its children with that copy. */
function isActor(ref: object): ref is AnyActor {
  return 'logic' in ref && 'subscribe' in ref;
}

/** XState marks its promise logic in no way; all share the text of one function. */
const PROMISE_TRANSITION = String(fromPromise(() => Promise.resolve()).transition);

function isPromiseLogic(logic: { transition?: unknown } | undefined): boolean {
  return typeof logic?.transition === 'function' && String(logic.transition) === PROMISE_TRANSITION;
}
