import { type AnyActorLogic, assign, fromCallback, setup } from 'xstate';

/** The working part of a background actor: an object that serves subjects or timers until it is told to end. */
export interface Service {
  /** Ends in order: takes no more work, finishes what it must. */
  stop(): Promise<void>;
  /** Ends at once, when the actor is killed or has failed: lets go of timers and subscriptions. Never throws. */
  kill(): void;
}

/** What a service may tell its actor. */
export interface ServiceScope {
  /** The world is broken for this actor: it crashes with the error, and its supervisor decides. */
  fail(error: unknown): void;
  /** Aborts when the actor is killed, also before the service has started. */
  signal: AbortSignal;
}

/** Makes a service; the actor is ready when this resolves. */
export type ServiceStart = (scope: ServiceScope) => Service | Promise<Service>;

type Told = { type: 'started' } | { type: 'ended' } | { type: 'failed'; error: unknown };

const lifeline = fromCallback<{ type: 'end' }, ServiceStart>(({ input: start, sendBack, receive }) => {
  const killed = new AbortController();
  let service: Service | undefined;
  const tell = (told: Told): void => {
    if (!killed.signal.aborted) sendBack(told);
  };
  const fail = (error: unknown): void => tell({ type: 'failed', error });
  const begin = async (): Promise<void> => {
    const made = await start({ fail, signal: killed.signal });
    if (killed.signal.aborted) return made.kill();
    service = made;
    tell({ type: 'started' });
  };
  begin().catch(fail);
  receive(() => {
    Promise.resolve(service?.stop()).then(() => tell({ type: 'ended' }), fail);
  });
  return () => {
    killed.abort();
    service?.kill();
  };
});

/**
 * The silhouette that every service actor has: starting, running (tag `ready`), stopping on `shutdown`, stopped. A
 * failure at any time crashes the actor with the cause.
 * @param id what the actor is called in its supervisor
 * @param start makes the service
 */
export function serviceActor(id: string, start: ServiceStart): AnyActorLogic {
  return setup({
    types: {
      events: {} as Told | { type: 'shutdown' },
      context: {} as { error: unknown; shutdownAsked: boolean },
    },
    actors: { lifeline },
    actions: {
      keepError: assign({ error: ({ event }) => (event.type === 'failed' ? event.error : undefined) }),
      noteShutdown: assign({ shutdownAsked: true }),
      crash: ({ context }) => {
        throw context.error;
      },
    },
    guards: { shutdownAsked: ({ context }) => context.shutdownAsked },
  }).createMachine({
    id,
    context: { error: undefined, shutdownAsked: false },
    initial: 'alive',
    states: {
      alive: {
        // A function given as input would be called for it, so it is wrapped.
        invoke: { id: 'lifeline', src: 'lifeline', input: () => start },
        initial: 'starting',
        on: { failed: { target: 'failed', actions: 'keepError' } },
        states: {
          starting: {
            on: { started: 'running', shutdown: { actions: 'noteShutdown' } },
          },
          running: {
            tags: 'ready',
            always: { guard: 'shutdownAsked', target: 'stopping' },
            on: { shutdown: 'stopping' },
          },
          stopping: {
            entry: ({ self }) => {
              self.getSnapshot().children.lifeline?.send({ type: 'end' });
            },
            on: { ended: '#stopped' },
          },
        },
      },
      stopped: { id: 'stopped', type: 'final' },
      failed: { entry: 'crash' },
    },
  });
}

/** Whether a service actor has started: what a child spec's `ready` asks. */
export function isServiceReady(snapshot: { hasTag?: (tag: string) => boolean }): boolean {
  return snapshot.hasTag?.('ready') ?? true;
}
