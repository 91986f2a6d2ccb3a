/** A timer that a {@link Clock} made. Opaque: only that clock understands it. */
export type TimerHandle = unknown;

/**
 * The only source of time in Rota. Everything above the kernel is given one, so that a whole node can run on virtual
 * time.
 */
export interface Clock {
  /** Wall time in milliseconds since the epoch. May jump. */
  now(): number;
  /** Milliseconds that only ever rise; the zero point means nothing. For durations and restart windows. */
  monotonicMs(): number;
  /** Calls `fn` once after at least `ms` milliseconds. Any finite delay works, also beyond 2^31 ms. */
  setTimeout(fn: () => void, ms: number): TimerHandle;
  /** Stops a timer. A timer that has fired or `undefined` is ignored. */
  clearTimeout(handle: TimerHandle): void;
}

/** Node's timers overflow above this delay and would fire at once: 2^31 - 1 ms, 24.8 days. */
const NODE_TIMER_MS_MAX = 2_147_483_647;

interface LongTimer {
  timeout: NodeJS.Timeout;
}

/** The machine's own clock. A delay over 24.8 days is walked in steps. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimeout(fn, ms) {
    if (!(ms > NODE_TIMER_MS_MAX)) return setTimeout(fn, ms);
    const due = performance.now() + ms;
    const step = (): void => {
      const leftMs = due - performance.now();
      if (leftMs <= 0) fn();
      else timer.timeout = setTimeout(step, Math.min(leftMs, NODE_TIMER_MS_MAX));
    };
    const timer: LongTimer = { timeout: setTimeout(step, NODE_TIMER_MS_MAX) };
    return timer;
  },
  clearTimeout(handle) {
    if (handle === undefined || handle === null) return;
    clearTimeout(isLongTimer(handle) ? handle.timeout : (handle as NodeJS.Timeout));
  },
};

function isLongTimer(handle: object): handle is LongTimer {
  return 'timeout' in handle;
}

/** A clock whose wall time is corrected by another one's, so that the machines of a fleet agree. */
export interface FollowingClock extends Clock {
  /**
   * Takes what the other clock says now. A difference within the doubt changes nothing, so that a good clock is not
   * moved to and fro by the length of a request.
   * @param theirNow milliseconds since the epoch
   * @param doubtMs how far the reading may be off; at least {@link FOLLOW_DOUBT_MS} is allowed for
   */
  follow(theirNow: number, doubtMs: number): void;
  /** By how much wall time is corrected, in milliseconds. */
  readonly offsetMs: number;
}

/** Clocks that differ by less are taken to agree, in milliseconds. */
export const FOLLOW_DOUBT_MS = 250;

/** A clock that runs as the given one does, but whose wall time can be set right by another. */
export function followingClock(clock: Clock): FollowingClock {
  let offsetMs = 0;
  return {
    now: () => clock.now() + offsetMs,
    monotonicMs: () => clock.monotonicMs(),
    setTimeout: (fn, ms) => clock.setTimeout(fn, ms),
    clearTimeout: (handle) => clock.clearTimeout(handle),
    follow(theirNow, doubtMs) {
      const off = theirNow - (clock.now() + offsetMs);
      if (Math.abs(off) > Math.max(doubtMs, FOLLOW_DOUBT_MS)) offsetMs += Math.round(off);
    },
    get offsetMs() {
      return offsetMs;
    },
  };
}

/**
 * How long until a beat that everything with this period in this process shares, in milliseconds: between half a period and
 * one and a half. What a hundred parts do every few seconds they so do in one turn of the event loop, where their
 * messages travel together and their writes are one commit.
 */
export function untilSharedBeat(clock: Clock, periodMs: number): number {
  const leftMs = periodMs - (clock.monotonicMs() % periodMs);
  return leftMs < periodMs / 2 ? leftMs + periodMs : leftMs;
}

/**
 * Waits on a clock.
 * @param clock what measures the delay
 * @param ms how long, in milliseconds
 * @param signal ends the wait early: the promise then resolves at once, it never rejects
 */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = (): void => {
      clock.clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}

// Jobs of one batch share their times, so the last answer is mostly the next one too.
let lastWritten = { ms: Number.NaN, text: '' };
let lastRead: { text: string; ms: number | undefined } = { text: '', ms: undefined };

/** A wall time as RFC 3339 UTC with milliseconds, the one text form of times on the wire. */
export function timeText(ms: number): string {
  if (ms !== lastWritten.ms) lastWritten = { ms, text: new Date(ms).toISOString() };
  return lastWritten.text;
}

const RFC3339_UTC = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?Z$/;
/** `YYYY-MM-DDThh:mm:ss.nnnnnnnnnZ` */
const TIME_LENGTH_MAX = 30;

/**
 * Reads an RFC 3339 UTC time (`2026-01-31T10:00:00Z`, milliseconds optional).
 * @returns milliseconds since the epoch, or undefined when the text is no such time or no real date
 */
export function parseTime(text: string): number | undefined {
  if (text !== lastRead.text) lastRead = { text, ms: readTime(text) };
  return lastRead.ms;
}

function readTime(text: string): number | undefined {
  if (text.length > TIME_LENGTH_MAX || !RFC3339_UTC.test(text)) return undefined;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) return undefined;
  return new Date(ms).toISOString().slice(0, 19) === text.slice(0, 19) ? ms : undefined;
}

/** Waits for work, but no longer than `ms` milliseconds; leaves no timer behind. Rejects as the work does. */
export async function atMost(clock: Clock, ms: number, work: Promise<unknown>): Promise<void> {
  const over = new AbortController();
  try {
    await Promise.race([work, sleep(clock, ms, over.signal)]);
  } finally {
    over.abort();
  }
}

/** Runs `fn` in a turn of the event loop of its own, after what is already waiting. Not a matter of time. */
export function nextTurn(fn: () => void): void {
  setImmediate(fn);
}
