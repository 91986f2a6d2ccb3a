/** The restarts that still count, oldest first: how many in which whole second of monotonic time. */
export type RestartTimes = readonly { readonly second: number; readonly count: number }[];

/** OTP's `{MaxR, MaxT}`: more than `intensity` restarts within `periodSeconds` are too many. */
export interface RestartLimit {
  readonly intensity: number;
  readonly periodSeconds: number;
}

/**
 * Adds one restart and judges.
 *
 * As `add_restart/1` of OTP 25's supervisor.erl: time is monotonic in whole seconds (rounded down), an entry exactly
 * `periodSeconds` old still counts, and the limit is exceeded when the count, this restart included, is above the
 * intensity. Restarts in one second share an entry, so that this costs no more with a large intensity.
 */
export function addRestart(
  times: RestartTimes,
  monotonicMs: number,
  limit: RestartLimit,
): { times: RestartTimes; exceeded: boolean } {
  const second = Math.floor(monotonicMs / 1000);
  const kept = times.filter((entry) => entry.second >= second - limit.periodSeconds);
  const last = kept.at(-1);
  if (last?.second === second) kept[kept.length - 1] = { second, count: last.count + 1 };
  else kept.push({ second, count: 1 });
  const total = kept.reduce((sum, entry) => sum + entry.count, 0);
  return { times: kept, exceeded: total > limit.intensity };
}
