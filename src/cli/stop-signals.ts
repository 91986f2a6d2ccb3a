import type { Clock } from '../kernel/clock.ts';

/** What a node is stopped by. A terminal that closes counts: its `nats-server` would outlive the node otherwise. */
export const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const satisfies readonly NodeJS.Signals[];

/** npm passes a Ctrl-C on that the terminal had given to its child too; in milliseconds. */
const NPM_REPEAT_MS = 300;
/** A launcher passes on what the whole process group was sent; in milliseconds. */
const GROUP_REPEAT_MS = 50;

/** Decides what a signal asks for: to `stop` in order, to end `at-once`, or `nothing` new. */
export class StopSignals {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #underNpm: boolean;
  #firstMs: number | undefined;

  /** @param options `underNpm`: npm runs this program, and so gets the signals of a terminal too */
  constructor({ clock, underNpm }: { clock: Pick<Clock, 'monotonicMs'>; underNpm: boolean }) {
    this.#clock = clock;
    this.#underNpm = underNpm;
  }

  /** Takes a signal. */
  take(signal: NodeJS.Signals): 'stop' | 'at-once' | 'nothing' {
    const nowMs = this.#clock.monotonicMs();
    if (this.#firstMs === undefined) {
      this.#firstMs = nowMs;
      return 'stop';
    }
    // A terminal that closes sends it from several sides, and nobody sits there to press for an end.
    if (signal === 'SIGHUP') return 'nothing';
    const sinceMs = nowMs - this.#firstMs;
    if (this.#underNpm && sinceMs < NPM_REPEAT_MS) return 'nothing';
    if (signal === 'SIGTERM' && sinceMs < GROUP_REPEAT_MS) return 'nothing';
    return 'at-once';
  }
}
