import { type Duration, parseDuration } from '../kernel/duration.ts';
import { RotaError } from '../kernel/error.ts';
import type { Random } from '../kernel/identity.ts';

/** How long a failed job waits before its next attempt. Stored with the job, so all durations are milliseconds. */
export interface BackoffPolicy {
  kind: 'exponential' | 'linear' | 'constant';
  /** exponential: base · 2^(attempt−1); linear: base · attempt; constant: base. */
  baseMs: number;
  /** No delay before jitter is longer. Default: 365 days. */
  maxMs?: number;
  /** 0 to 1: at most this part of the delay is added at random. Default 0.1. */
  jitter?: number;
}

/** No delay is longer than 365 days. */
export const DELAY_MS_MAX = 365 * 86_400_000;
const JITTER_DEFAULT = 0.1;
const DEFAULT_BASE_MS = 15_000;
const DEFAULT_EXPONENT_MAX = 20;
/** So many doublings take a millisecond far beyond any maximum. */
const DOUBLINGS_MAX = 64;

/**
 * The delay after a failed attempt: the formula, then its maximum, then jitter, which only adds.
 * Without a policy it is 15 s + 2^attempt s (exponent at most 20), plus up to a tenth: Oban's default.
 * @param policy the job's own, or null for the default
 * @param attempt the attempt that failed, from 1
 * @returns whole milliseconds, at most 365 days
 */
export function retryDelayMs(policy: BackoffPolicy | null, attempt: number, random: Random): number {
  const plain =
    policy === null ? defaultDelayMs(attempt) : Math.min(policyDelayMs(policy, attempt), policy.maxMs ?? DELAY_MS_MAX);
  const jitter = policy?.jitter ?? JITTER_DEFAULT;
  return Math.min(Math.round(plain * (1 + random() * jitter)), DELAY_MS_MAX);
}

function defaultDelayMs(attempt: number): number {
  return DEFAULT_BASE_MS + 2 ** Math.min(attempt, DEFAULT_EXPONENT_MAX) * 1_000;
}

function policyDelayMs(policy: BackoffPolicy, attempt: number): number {
  switch (policy.kind) {
    case 'exponential':
      // Doubled without end, a base of 0 would no longer be a number.
      return policy.baseMs * 2 ** Math.min(attempt - 1, DOUBLINGS_MAX);
    case 'linear':
      return policy.baseMs * attempt;
    case 'constant':
      return policy.baseMs;
  }
}

/** What the policy builders take: `base` (default `"15s"`) and `max` are durations, `jitter` is 0 to 1. */
export interface BackoffOptions {
  base?: Duration;
  max?: Duration;
  jitter?: number;
}

/** A backoff that doubles: base · 2^(attempt−1). @throws RotaError `invalid_config` on a bad duration or jitter */
export const exponential = (options: BackoffOptions = {}): BackoffPolicy => policyOf('exponential', options);
/** A backoff that grows by its base: base · attempt. @throws RotaError `invalid_config` on a bad duration or jitter */
export const linear = (options: BackoffOptions = {}): BackoffPolicy => policyOf('linear', options);
/** The same delay every time. @throws RotaError `invalid_config` on a bad duration or jitter */
export const constant = (options: BackoffOptions = {}): BackoffPolicy => policyOf('constant', options);

function policyOf(kind: BackoffPolicy['kind'], options: BackoffOptions): BackoffPolicy {
  const { base = '15s', max, jitter } = options;
  if (jitter !== undefined && !(jitter >= 0 && jitter <= 1)) {
    throw new RotaError('invalid_config', 'a backoff jitter must be a number from 0 to 1');
  }
  return {
    kind,
    baseMs: durationOf(base, 'base'),
    ...(max === undefined ? {} : { maxMs: durationOf(max, 'max') }),
    ...(jitter === undefined ? {} : { jitter }),
  };
}

/** A stored backoff policy (what `exponential()` makes) as the wire writes it; anything else as it is. */
export function backoffWire(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('baseMs' in value)) return value;
  const { kind, baseMs, maxMs, jitter } = value as BackoffPolicy;
  return {
    kind,
    base: baseMs,
    ...(maxMs === undefined ? {} : { max: maxMs }),
    ...(jitter === undefined ? {} : { jitter }),
  };
}

function durationOf(value: Duration, name: string): number {
  const ms = parseDuration(value);
  if (ms === undefined) {
    throw new RotaError(
      'invalid_config',
      `a backoff ${name} must be a duration like "30s", this is ${JSON.stringify(value)}`,
    );
  }
  return ms;
}
