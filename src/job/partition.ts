import { createHash } from 'node:crypto';
import { type Check, isRecord, string } from '../kernel/check.ts';
import { canonicalJson, type Json } from '../kernel/json.ts';
import type { Job } from './job.ts';

/** Longer values are known by their sum. */
const KEY_LENGTH_MAX = 64;
const PATH_LENGTH_MAX = 256;
const PATH = /^(args|meta)(\.[^.]+){1,16}$/;

/** What tells the partitions of a queue apart: a path into args or meta, `args.tenant` or `meta.customer.id`. */
export const partitionPath: Check<string> = string({
  max: PATH_LENGTH_MAX,
  accept: (text) => PATH.test(text),
  what: 'a path into args or meta like "args.tenant" or "meta.customer"',
});

/**
 * Which partition of its queue a job belongs to. Equal JSON values are one partition, whatever the order of their keys;
 * `1` and `"1"` are two. Jobs without the value share one partition, the same as those where it is null. Pure.
 * @param by a {@link partitionPath}
 */
export function partitionKey(job: Pick<Job, 'args' | 'meta'>, by: string): string {
  const [root, ...steps] = by.split('.');
  let value: Json = root === 'meta' ? job.meta : job.args;
  for (const step of steps) value = memberOf(value, step);
  const text = canonicalJson(value);
  return text.length <= KEY_LENGTH_MAX ? text : `sha256:${createHash('sha256').update(text).digest('base64url')}`;
}

function memberOf(value: Json, name: string): Json {
  const inside = isRecord(value) || Array.isArray(value);
  // Own members of JSON are JSON.
  return inside && Object.hasOwn(value, name) ? ((value as Record<string, Json>)[name] ?? null) : null;
}
