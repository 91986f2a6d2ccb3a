/**
 * Longer than the server lets a statement run: only when nothing comes back is a connection given up. A server that froze,
 * or a machine that is gone, is noticed after this long, and the group goes to whatever answers at the address by then.
 */
export const ANSWER_TIMEOUT_MS = 10_000;

/**
 * What every transaction runs under. An owner that freezes in the middle holds locks (the lead's, a queue's) that its
 * fellows wait for: the server ends it well within a leader lease. Statements are made for indexes: plans that read or
 * sort a whole table would be right for the nearly empty one that they were made on, and are kept.
 */
const SETTINGS = Object.entries({
  ...{ jit: 'off', plan_cache_mode: 'force_generic_plan', statement_timeout: '8000', lock_timeout: '6000' },
  ...{ idle_in_transaction_session_timeout: '5000', enable_seqscan: 'off', enable_bitmapscan: 'off' },
  ...{ enable_hashjoin: 'off', enable_mergejoin: 'off', enable_sort: 'off' },
});

/** The settings for one transaction, as a statement: nothing hangs on the session, which a pooler shares. */
export const SET_LOCALLY = `select ${SETTINGS.map(([name, value]) => `set_config('${name}', '${value}', true)`).join(', ')}`;

/** What tells whether a session has the settings: `off` where it has. The last of them, so that one stands for all. */
export const HAS_SETTINGS = "current_setting('enable_sort')";

/**
 * A URL whose connections have the settings from their start: no transaction has to set them, which was two thirds of what
 * its beginning cost the server. What the URL asks for by itself stays.
 */
export function withSettings(url: string): string {
  const set = new URL(url);
  const ours = SETTINGS.map(([name, value]) => `-c ${name}=${value}`).join(' ');
  const theirs = set.searchParams.get('options');
  set.searchParams.set('options', theirs === null ? ours : `${theirs} ${ours}`);
  return set.href;
}
