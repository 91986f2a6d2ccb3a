import type { ActorLogic, AnyActorRef, EventObject, Snapshot } from 'xstate';
import { systemClock } from '../kernel/clock.ts';
import { systemRandom } from '../kernel/identity.ts';
import { holdUntil } from './cleanup.ts';
import type { Exit } from './exit.ts';
import { markGraceful } from './graceful.ts';
import { Keeper } from './keeper.ts';
import { inherited, registerNested } from './nested.ts';
import type { CheckedOptions, Environment } from './supervisor-options.ts';
import { treeNode } from './tree.ts';

/** The logic of a supervisor below another one. Ends as soon as its supervisor has; understands `shutdown`. */
export type SupervisorLogic = ActorLogic<Snapshot<unknown>, EventObject>;

/** Says that the keeper has ended. It carries the keeper itself, which no message from outside can do. */
interface EndedEvent extends EventObject {
  type: 'rota.supervisor.ended';
  keeper: Keeper;
  exit: Exit;
}

/** The world of a supervisor that was given none. */
export const defaultEnvironment: Environment = { clock: systemClock, random: systemRandom, onReport: () => {} };

const keepers = new WeakMap<AnyActorRef, Keeper>();

/** The keeper behind the actor of a nested supervisor. */
export function keeperOf(actor: AnyActorRef): Keeper | undefined {
  return keepers.get(actor);
}

/**
 * Makes a supervisor an actor logic.
 * @param check checks the options, at each start anew; what it throws makes the start fail
 */
export function supervisorLogic(check: () => CheckedOptions): SupervisorLogic {
  return markGraceful<SupervisorLogic>({
    getInitialSnapshot: () => ({ status: 'active', output: undefined, error: undefined }),
    getPersistedSnapshot: (snapshot) => snapshot,
    start: (_snapshot, { self }) => {
      const ended = (exit: Exit): void => self.send({ type: 'rota.supervisor.ended', keeper, exit } as EndedEvent);
      const keeper: Keeper = new Keeper(check(), inherited(self) ?? defaultEnvironment, ended);
      keepers.set(self, keeper);
      registerNested(self, {
        settled: keeper.settled,
        get exit() {
          return keeper.exit;
        },
        abandonStart: (cause) => keeper.abandonStart(cause),
        children: () => [...keeper.children.values()].map(treeNode),
      });
    },
    transition: (snapshot, event, { self }) => {
      const keeper = keepers.get(self);
      if (event.type === 'shutdown') keeper?.requestStop();
      if (event.type === 'xstate.stop' && keeper) {
        holdUntil(self, keeper.kill());
        return { ...snapshot, status: 'stopped', output: undefined, error: undefined };
      }
      return isEnded(event) && event.keeper === keeper ? finalSnapshot(event.exit) : snapshot;
    },
  });
}

function isEnded(event: EventObject): event is EndedEvent {
  return event.type === 'rota.supervisor.ended';
}

function finalSnapshot(exit: Exit): Snapshot<unknown> {
  if (exit.kind === 'error') return { status: 'error', output: undefined, error: exit.error };
  return { status: 'done', output: exit.kind, error: undefined };
}
