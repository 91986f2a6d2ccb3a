import { createHash } from 'node:crypto';
import { arrayOf, at, type Check, duration, isRecord, object, oneOf, optional, string } from '../kernel/check.ts';
import type { Duration } from '../kernel/duration.ts';
import { canonicalJson, type Json } from '../kernel/json.ts';
import { INCOMPLETE_STATES, JOB_STATES, type JobState } from './state.ts';

/** What two jobs must have in common to be the same. */
export const UNIQUE_PARTS = ['type', 'queue', 'args', 'meta'] as const;
export type UniquePart = (typeof UNIQUE_PARTS)[number];

/** The fields of a waiting job that a later one may replace. */
export const REPLACEABLE_FIELDS = ['args', 'priority', 'maxAttempts', 'tags', 'meta', 'scheduledAt'] as const;
export type ReplaceableField = (typeof REPLACEABLE_FIELDS)[number];

/**
 * What happens to the job that is there already: it is kept; fields of it are replaced; or it moves to the new time with
 * the new args (debounce), but never beyond `maxWaitMs` after it was first inserted (null: without end).
 */
export type OnConflict =
  | { kind: 'keep' }
  | { kind: 'replace'; fields: ReplaceableField[] }
  | { kind: 'reschedule'; maxWaitMs: number | null };

/** A uniqueness policy as people write it; every part has a default. See {@link uniquePolicy}. */
export interface UniqueOptions {
  /** Default type, queue and args. */
  by?: readonly UniquePart[];
  /** Of args (of meta where args are not in `by`) only these keys count. */
  keys?: readonly string[];
  /** Default `forever`. Counts from the existing job's insertion. */
  within?: Duration | 'forever';
  /** Default `incomplete`: all but the terminal ones. */
  states?: 'incomplete' | readonly JobState[];
  /** Default `keep`. */
  onConflict?: 'keep' | { replace: readonly ReplaceableField[] } | { reschedule: true; maxWait?: Duration };
}

/** When a new job counts as one that is there already, and what happens then. Checked, with every default filled in. */
export interface UniquePolicy {
  by: UniquePart[];
  /** Of args (of meta where args are not in `by`) only these keys count; undefined: all. */
  keys?: string[];
  /** Milliseconds from the existing job's insertion; null: forever. */
  withinMs: number | null;
  /** The states of the existing job in which it counts. */
  states: JobState[];
  onConflict: OnConflict;
}

/** What a store needs to enforce uniqueness: the key to look for, and the policy. */
export interface UniqueClaim extends Pick<UniquePolicy, 'withinMs' | 'states' | 'onConflict'> {
  key: string;
}

const KEYS_MAX = 32;
const KEY_LENGTH_MAX = 256;

const within: Check<{ ms: number | null }> = (value, path, issues) => {
  if (value === 'forever') return { ms: null };
  const ms = duration(value, path, issues);
  return ms === undefined ? undefined : { ms };
};

const stateList = arrayOf(oneOf(JOB_STATES), { min: 1, max: JOB_STATES.length });
const states: Check<JobState[]> = (value, path, issues) =>
  value === 'incomplete' ? [...INCOMPLETE_STATES] : stateList(value, path, issues);

const replaceShape = object({
  replace: arrayOf(oneOf(REPLACEABLE_FIELDS), { min: 1, max: REPLACEABLE_FIELDS.length }),
});
const isTrue: Check<true> = (value, path, issues) => (value === true ? true : issues.add(path, 'must be true'));
const rescheduleShape = object({ reschedule: isTrue, maxWait: optional(duration) });

const onConflict: Check<OnConflict> = (value, path, issues) => {
  if (value === 'keep') return { kind: 'keep' };
  if (isRecord(value) && 'replace' in value) {
    const read = replaceShape(value, path, issues);
    return read && { kind: 'replace', fields: read.replace };
  }
  if (isRecord(value) && 'reschedule' in value) {
    const read = rescheduleShape(value, path, issues);
    return read && { kind: 'reschedule', maxWaitMs: read.maxWait ?? null };
  }
  return issues.add(path, 'must be "keep", {"replace":[fields]} or {"reschedule":true,"maxWait":"1m"}');
};

const shape = object({
  by: optional(arrayOf(oneOf(UNIQUE_PARTS), { min: 1, max: UNIQUE_PARTS.length })),
  keys: optional(
    arrayOf(string({ max: KEY_LENGTH_MAX, what: `a key of 1 to ${KEY_LENGTH_MAX} characters` }), {
      min: 1,
      max: KEYS_MAX,
    }),
  ),
  within: optional(within),
  states: optional(states),
  onConflict: optional(onConflict),
});

/** Reads a uniqueness policy as the wire and `defineJob` write it. Default: by type, queue and args, forever, keep. */
export const uniquePolicy: Check<UniquePolicy> = (value, path, issues) => {
  const read = shape(value, path, issues);
  if (read === undefined) return undefined;
  const by: UniquePart[] = read.by ?? ['type', 'queue', 'args'];
  if (read.keys !== undefined && !by.includes('args') && !by.includes('meta')) {
    return issues.add(at(path, 'keys'), 'needs args or meta in by: keys are taken from one of them');
  }
  return {
    by,
    ...(read.keys === undefined ? {} : { keys: read.keys }),
    withinMs: read.within === undefined ? null : read.within.ms,
    states: read.states ?? [...INCOMPLETE_STATES],
    onConflict: read.onConflict ?? { kind: 'keep' },
  };
};

/** A policy as the wire writes it: what {@link uniquePolicy} reads. */
export function uniqueView({ by, keys, withinMs, states: counted, onConflict: then }: UniquePolicy): {
  [field: string]: Json;
} {
  return {
    by,
    ...(keys === undefined ? {} : { keys }),
    within: withinMs ?? 'forever',
    states: counted,
    onConflict: conflictView(then),
  };
}

function conflictView(then: OnConflict): Json {
  switch (then.kind) {
    case 'keep':
      return 'keep';
    case 'replace':
      return { replace: then.fields };
    case 'reschedule':
      return { reschedule: true, ...(then.maxWaitMs === null ? {} : { maxWait: then.maxWaitMs }) };
  }
}

/**
 * The key that two jobs share when they are the same to a policy: a hash of the canonical text of the parts that count,
 * so that the order of keys in args does not matter.
 */
export function uniqueKey(policy: UniquePolicy, job: { type: string; queue: string; args: Json; meta: Json }): string {
  const narrowed = policy.by.includes('args') ? 'args' : 'meta';
  const parts: { [part: string]: Json } = {};
  for (const part of policy.by) {
    parts[part] = part === narrowed && policy.keys !== undefined ? picked(job[part], policy.keys) : job[part];
  }
  return createHash('sha256').update(canonicalJson(parts)).digest('base64url');
}

/** What a store is given to hold one job to a policy. */
export function uniqueClaim(policy: UniquePolicy, job: Parameters<typeof uniqueKey>[1]): UniqueClaim {
  const { withinMs, states: counted, onConflict: then } = policy;
  return { key: uniqueKey(policy, job), withinMs, states: counted, onConflict: then };
}

function picked(value: Json, keys: readonly string[]): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(keys.flatMap((key) => (Object.hasOwn(value, key) ? [[key, value[key] ?? null]] : [])));
}
