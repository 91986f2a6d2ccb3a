import type { Clock } from '../../kernel/clock.ts';
import { errorText } from '../../kernel/error.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Bus } from '../../messaging/bus.ts';
import type { Subjects } from '../../messaging/subjects.ts';
import type { KeepMs } from '../../store/job-store.ts';
import { Periodic } from '../periodic.ts';
import type { Service } from '../service.ts';
import { storeClient } from '../store-client.ts';

/** What the janitor works with. Durations are milliseconds. */
export interface JanitorWorld {
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  pollMs: number;
  leaseMs: number;
  keepMs: KeepMs;
  log: Logger;
}

/** Jobs that one step stages, expires, rescues or prunes at most: a long list is many short transactions. */
const STEP_MAX = 1_000;
/**
 * The least rest where nothing was due although it is by our clock, in milliseconds: the store goes by another one, and
 * until that is there too each look would be in vain.
 */
const EARLY_MS = 50;
/** How often old rows are looked for when there were none, in milliseconds. */
const PRUNE_EVERY_MS = 60_000;

/**
 * Keeps the store in order: makes due jobs available, cancels those past their deadline, rescues jobs of dead workers,
 * prunes old rows. Nobody is dead before one lease after this actor began or the store answered again, for until then
 * signs of life could not be told.
 */
export function startJanitor(world: JanitorWorld): Service {
  const { bus, subjects, clock, pollMs, leaseMs, keepMs, log } = world;
  const store = storeClient(bus, subjects);
  let judgesFrom = clock.monotonicMs() + leaseMs;
  let prunesFrom = clock.monotonicMs();

  /** Until when to sleep for what is next, but no longer than to the next poll. */
  const untilNext = (nextAt: number | null, done: number): number => {
    const leftMs = nextAt === null ? pollMs : nextAt - clock.now();
    return leftMs <= 0 && done === 0 ? EARLY_MS : Math.max(0, Math.min(pollMs, leftMs));
  };
  const stage = async (): Promise<number> => {
    for (;;) {
      const { staged, nextAt } = await store.ask('stage', { now: clock.now(), limit: STEP_MAX });
      if (staged < STEP_MAX) return untilNext(nextAt, staged);
    }
  };
  const expire = async (): Promise<number> => {
    for (;;) {
      const { expired, nextAt } = await store.ask('expire', { now: clock.now(), limit: STEP_MAX });
      if (expired < STEP_MAX) return untilNext(nextAt, expired);
    }
  };
  const rescue = async (): Promise<void> => {
    if (clock.monotonicMs() < judgesFrom) return;
    const now = clock.now();
    const { rescued } = await store.ask('rescue', { now, deadBefore: now - leaseMs, limit: STEP_MAX });
    if (rescued > 0) log.warn({ jobs: rescued }, 'rescued jobs of dead workers');
  };
  const prune = async (): Promise<void> => {
    if (clock.monotonicMs() < prunesFrom) return;
    const { pruned } = await store.ask('prune', { now: clock.now(), keepMs, limit: STEP_MAX });
    if (pruned < STEP_MAX) prunesFrom = clock.monotonicMs() + PRUNE_EVERY_MS;
  };
  // Workers elsewhere cannot give signs of life while the bus is away; here they can, but one rule for all is enough.
  const unlisten = bus.onState((state) => {
    judgesFrom = state === 'down' ? Number.POSITIVE_INFINITY : clock.monotonicMs() + leaseMs;
  });
  const duty = async (): Promise<number> => {
    try {
      const waitMs = Math.min(...(await Promise.all([expire(), stage()])));
      await rescue();
      await prune();
      return waitMs;
    } catch (error) {
      log.debug({ error: errorText(error) }, 'the store is away; the janitor waits');
      judgesFrom = Math.max(judgesFrom, clock.monotonicMs() + leaseMs);
      return pollMs;
    }
  };
  const duties = new Periodic({ clock, duty, firstMs: 0 });
  return {
    stop: () => {
      unlisten();
      return duties.stop();
    },
    kill: () => {
      unlisten();
      duties.kill();
    },
  };
}
