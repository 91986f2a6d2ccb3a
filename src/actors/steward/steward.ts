import type { Clock } from '../../kernel/clock.ts';
import { errorText } from '../../kernel/error.ts';
import type { Logger } from '../../kernel/log.ts';
import type { EventTeller } from '../event-teller.ts';
import { Periodic } from '../periodic.ts';
import type { Service } from '../service.ts';

/** What the steward sees and does of the supervisors of queues. */
export interface QueueKeeper {
  /** Queues whose supervisor does not run. */
  failed(): string[];
  /** Starts a queue's supervisor anew. @throws when it could not be started */
  restart(queue: string): Promise<void>;
}

/** What the steward works with. */
export interface StewardWorld {
  clock: Clock;
  keeper: QueueKeeper;
  tell: EventTeller;
  /** How long a queue that gave up rests, in milliseconds. Default 30 s. */
  coolDownMs?: number;
  log: Logger;
}

const COOL_DOWN_MS = 30_000;
const LOOK_MS = 1_000;

/**
 * Brings back queues that gave up. A queue's supervisor that gives up ends cleanly and spends nobody's restarts: the
 * queue is failed, which is announced, and comes back after a cool-down, while the others never notice.
 */
export function startSteward(world: StewardWorld): Service {
  const { clock, keeper, tell, coolDownMs = COOL_DOWN_MS, log } = world;
  const failedSince = new Map<string, number>();
  const look = async (): Promise<number> => {
    const failed = keeper.failed();
    for (const queue of failedSince.keys()) if (!failed.includes(queue)) failedSince.delete(queue);
    for (const queue of failed) {
      const since = failedSince.get(queue);
      if (since === undefined) {
        failedSince.set(queue, clock.monotonicMs());
        log.error({ queue, coolDownMs }, 'the queue gave up; it comes back after a cool-down');
        tell({ kind: 'queue', name: queue, what: 'failed', data: { queue, coolDownMs } });
      } else if (clock.monotonicMs() - since >= coolDownMs) {
        await bringBack(queue);
      }
    }
    return LOOK_MS;
  };
  const bringBack = async (queue: string): Promise<void> => {
    try {
      await keeper.restart(queue);
      failedSince.delete(queue);
      log.info({ queue }, 'the queue is back');
      tell({ kind: 'queue', name: queue, what: 'recovered', data: { queue } });
    } catch (error) {
      failedSince.set(queue, clock.monotonicMs());
      log.error({ queue, error: errorText(error) }, 'the queue could not be started again; it rests once more');
    }
  };
  return new Periodic({ clock, firstMs: LOOK_MS, duty: look });
}
