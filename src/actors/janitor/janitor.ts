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
/** How often old rows are looked for when there were few, in milliseconds; many are pruned half of the time until there are. */
const PRUNE_EVERY_MS = 60_000;
/**
 * The part of a lease for which the store may give no answer that was due, before it counts as away. Whoever lives has
 * given a sign at most a beat, a sixth of a lease, before that, and so is never taken for dead by it.
 */
const SILENT_LEASES_MAX = 0.5;

/**
 * Keeps the store in order: makes due jobs available, cancels those past their deadline, rescues jobs of dead workers,
 * prunes old rows. Nobody is dead before one lease after the store first answered this actor, or answered again after a
 * silence, or the bus is back, for until then signs of life could not be told. A silence is what lasts beyond
 * {@link SILENT_LEASES_MAX}, whatever the reason: the store fails, or this process itself stood still. A request that
 * fails now and then is none.
 */
export function startJanitor(world: JanitorWorld): Service {
  const { bus, subjects, clock, pollMs, leaseMs, keepMs, log } = world;
  const store = storeClient(bus, subjects);
  /** When the answer was due that is waited for; before the first one nothing is known of the store. */
  let answerDueAt = Number.NEGATIVE_INFINITY;
  let busIsAway = false;
  let judgesFrom = Number.POSITIVE_INFINITY;
  let prunesFrom = clock.monotonicMs();

  const judgeLater = (): void => {
    judgesFrom = clock.monotonicMs() + leaseMs;
  };
  const answered = (): void => {
    if (clock.monotonicMs() - answerDueAt > leaseMs * SILENT_LEASES_MAX) judgeLater();
    answerDueAt = clock.monotonicMs();
  };

  /** Until when to sleep for what is next, but no longer than to the next poll. */
  const untilNext = (nextAt: number | null, done: number): number => {
    const leftMs = nextAt === null ? pollMs : nextAt - clock.now();
    return leftMs <= 0 && done === 0 ? EARLY_MS : Math.max(0, Math.min(pollMs, leftMs));
  };
  const stage = async (): Promise<number> => {
    for (;;) {
      const { staged, nextAt } = await store.ask('stage', { now: clock.now(), limit: STEP_MAX });
      answered();
      if (staged < STEP_MAX) return untilNext(nextAt, staged);
    }
  };
  const expire = async (): Promise<number> => {
    for (;;) {
      const { expired, nextAt } = await store.ask('expire', { now: clock.now(), limit: STEP_MAX });
      answered();
      if (expired < STEP_MAX) return untilNext(nextAt, expired);
    }
  };
  const rescue = async (): Promise<void> => {
    if (busIsAway || clock.monotonicMs() < judgesFrom) return;
    const now = clock.now();
    const { rescued } = await store.ask('rescue', { now, deadBefore: now - leaseMs, limit: STEP_MAX });
    if (rescued > 0) log.warn({ jobs: rescued }, 'rescued jobs of dead workers');
  };
  /** Until when to sleep for the next step: while there is more, as long as this one took. */
  const prune = async (): Promise<number> => {
    const from = clock.monotonicMs();
    if (from < prunesFrom) return pollMs;
    const { pruned } = await store.ask('prune', { now: clock.now(), keepMs, limit: STEP_MAX });
    if (pruned >= STEP_MAX) return clock.monotonicMs() - from;
    prunesFrom = clock.monotonicMs() + PRUNE_EVERY_MS;
    return pollMs;
  };
  // Workers elsewhere cannot give signs of life while the bus is away; here they can, but one rule for all is enough.
  const unlisten = bus.onState((state) => {
    busIsAway = state === 'down';
    judgeLater();
  });
  const duty = async (): Promise<number> => {
    try {
      const dueMs = Math.min(...(await Promise.all([expire(), stage()])));
      await rescue();
      const waitMs = Math.min(dueMs, await prune());
      answerDueAt = clock.monotonicMs() + waitMs;
      return waitMs;
    } catch (error) {
      log.debug({ error: errorText(error) }, 'the store is away; the janitor waits');
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
