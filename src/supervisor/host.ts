import type { ActorLogic, AnyActorRef, EventObject, Snapshot } from 'xstate';
import type { Clock } from '../kernel/clock.ts';
import { systemClock } from '../kernel/clock.ts';
import { holdUntil } from './cleanup.ts';
import { markGraceful } from './graceful.ts';
import { inherited } from './nested.ts';

/** The snapshot of a thread or process host. */
export type HostSnapshot = Snapshot<undefined> & {
  /** The inside has said that it is ready. */
  readonly ready: boolean;
};

/** What a host understands: a request to stop, and a message for the inside. */
export type HostEvent =
  | { readonly type: 'shutdown' }
  | { readonly type: 'post'; readonly message: unknown; readonly transfer?: readonly unknown[] };

/** The logic of a thread or process host. */
export type HostLogic = ActorLogic<HostSnapshot, HostEvent>;

/** A thread or process that runs. */
export interface Hosted {
  /** Asks it to stop. */
  ask(): void;
  /** Ends it by force. */
  kill(): void;
  post(message: unknown, transfer: readonly unknown[]): void;
  /** Resolves when it has really ended. Never rejects. */
  readonly gone: Promise<void>;
}

/** What a host is told of the inside. */
export interface HostControls {
  readonly clock: Clock;
  /** The inside is ready. */
  ready(): void;
  /** The inside has ended, well or with an error. */
  ended(failure?: { readonly error: unknown }): void;
}

/** True when the inside of a host has said that it is ready: `ready: isHostReady` in a child spec. */
export function isHostReady(snapshot: unknown): boolean {
  return typeof snapshot === 'object' && snapshot !== null && 'ready' in snapshot && snapshot.ready === true;
}

/** How something outside of this thread ended when it should not have. */
export class HostExitError extends Error {
  override readonly name: string = 'HostExitError';
  readonly exitCode: number | null;
  readonly signal: string | null;

  constructor(what: string, exit: { exitCode: number | null; signal?: string | null; lastLines?: readonly string[] }) {
    const how = exit.signal ? `was ended by ${exit.signal}` : `exited with code ${exit.exitCode}`;
    super([`${what} ${how}`, ...(exit.lastLines ?? [])].join('\n'));
    this.exitCode = exit.exitCode;
    this.signal = exit.signal ?? null;
  }
}

/** What came from the inside. `key` is the host's own, so that no message from outside can fake it. */
interface Inside extends EventObject {
  type: 'rota.host.inside';
  key: Hosted;
  what: { readonly ready: true } | { readonly failure: { readonly error: unknown } | undefined };
}

/** The hosts of actors that run. */
const hosts = new WeakMap<AnyActorRef, Hosted>();

/**
 * Makes something that lives outside of this thread an actor: its end is the actor's end, and stopping the actor ends
 * it for real.
 * @param open starts it; what it throws makes the start fail
 */
export function hostLogic(open: (controls: HostControls) => Hosted): HostLogic {
  return markGraceful<HostLogic>({
    getInitialSnapshot: () => ({ status: 'active', output: undefined, error: undefined, ready: false }),
    getPersistedSnapshot: (snapshot) => snapshot,
    start: (_snapshot, { self }) => {
      const tell = (what: Inside['what']): void => {
        if (!hosts.has(self)) return; // what comes after the end is no news
        const event: Inside = { type: 'rota.host.inside', key: hosted, what };
        (self as AnyActorRef).send(event); // an event of ours that outsiders are not shown
      };
      const hosted: Hosted = open({
        clock: inherited(self)?.clock ?? systemClock,
        ready: () => tell({ ready: true }),
        ended: (failure) => tell({ failure }),
      });
      hosts.set(self, hosted);
      holdUntil(self, hosted.gone);
    },
    transition: (snapshot, event: HostEvent | Inside | { type: 'xstate.stop' }, { self }) => {
      const hosted = hosts.get(self);
      if (!hosted) return snapshot;
      switch (event.type) {
        case 'shutdown':
          hosted.ask();
          return snapshot;
        case 'post':
          hosted.post(event.message, event.transfer ?? []);
          return snapshot;
        case 'xstate.stop':
          hosts.delete(self);
          hosted.kill();
          return { ...snapshot, status: 'stopped', output: undefined, error: undefined };
        case 'rota.host.inside':
          if (event.key !== hosted) return snapshot;
          if (!('ready' in event.what)) hosts.delete(self);
          return afterInside(snapshot, event.what);
        default:
          return snapshot;
      }
    },
  });
}

function afterInside(snapshot: HostSnapshot, what: Inside['what']): HostSnapshot {
  const { ready } = snapshot;
  if ('ready' in what) return { ...snapshot, ready: true };
  if (what.failure) return { status: 'error', output: undefined, error: what.failure.error, ready };
  return { status: 'done', output: undefined, error: undefined, ready };
}
