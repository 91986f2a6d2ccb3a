import { type Clock, sleep } from '../../kernel/clock.ts';
import { errorText, RotaError } from '../../kernel/error.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Bus } from '../../messaging/bus.ts';
import type { EventHistory } from '../../messaging/event-history.ts';
import type { Subjects } from '../../messaging/subjects.ts';
import type { Service } from '../service.ts';

/** What the event history works with. */
export interface EventHistoryWorld {
  bus: Pick<Bus, 'state' | 'onState'>;
  history: EventHistory;
  subjects: Subjects;
  clock: Clock;
  /** How long events are kept, in milliseconds. */
  keepMs: number;
  log: Logger;
}

/** Between two tries, in milliseconds; the bus coming back ends the wait. */
const RETRY_MS = 5_000;

/**
 * Sees to it that the broker keeps events: at its start, and whenever the bus is back, for that may be another broker. One
 * that keeps no messages is told of once and asked again; nothing else waits for it.
 */
export function startEventHistory(world: EventHistoryWorld): Service {
  const { bus, history, subjects, clock, keepMs, log } = world;
  const stopping = new AbortController();
  const { signal } = stopping;
  const stream = subjects.eventStream();
  let told: string | undefined;
  let due = true;
  let wake = new AbortController();

  const keep = async (): Promise<void> => {
    try {
      const done = await history.keep({ stream, subject: subjects.events(), keepMs });
      due = false;
      if (done !== 'unchanged' || told !== undefined) log.info({ stream, keepMs, [done]: true }, 'events are kept');
      told = undefined;
    } catch (error) {
      const text = errorText(error);
      // Once is enough, and that NATS is away its connection says.
      if (bus.state === 'down' || text === told) return;
      const fault = error instanceof RotaError && error.code === 'invalid_config';
      log.warn(
        { stream, error: text },
        fault ? 'events are not kept' : 'events are not kept for now; it is tried again',
      );
      told = text;
    }
  };
  const lives = async (): Promise<void> => {
    while (!signal.aborted) {
      wake = new AbortController();
      if (due && bus.state === 'up') await keep();
      const woken = AbortSignal.any([wake.signal, signal]);
      if (due) await sleep(clock, RETRY_MS, woken);
      else await aborted(woken);
    }
  };
  const unlisten = bus.onState((state) => {
    if (state !== 'up') return;
    due = true;
    wake.abort();
  });
  const end = (): void => {
    unlisten();
    stopping.abort();
  };
  const running = lives();
  return {
    stop: async () => {
      end();
      await running;
    },
    kill: end,
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
