import { RotaError } from '../kernel/error.ts';
import { subjectMatches } from './subjects.ts';

/** Subjects whose matches are remembered; beyond it the memory starts afresh. */
const MATCHES_MAX = 4_096;

/** Finds the subscriptions that a subject fits, in the order in which they were made. */
export class SubjectIndex<T> {
  readonly #exact = new Map<string, Set<T>>();
  readonly #patterns = new Map<string, Set<T>>();
  /** What each pattern begins with before its first wildcard: most that do not fit are told by it. */
  readonly #heads = new Map<string, string>();
  readonly #matches = new Map<string, readonly T[]>();

  add(pattern: string, item: T): void {
    const home = isPattern(pattern) ? this.#patterns : this.#exact;
    const items = home.get(pattern);
    if (items === undefined) {
      home.set(pattern, new Set([item]));
      if (home === this.#patterns) this.#heads.set(pattern, headOf(pattern));
    } else items.add(item);
    this.#matches.clear();
  }

  remove(pattern: string, item: T): void {
    const home = isPattern(pattern) ? this.#patterns : this.#exact;
    const items = home.get(pattern);
    if (items === undefined || !items.delete(item)) return;
    if (items.size === 0) {
      home.delete(pattern);
      this.#heads.delete(pattern);
    }
    this.#matches.clear();
  }

  /** The items whose pattern the subject fits: first those of the subject itself, then those of wildcards. */
  match(subject: string): readonly T[] {
    const known = this.#matches.get(subject);
    if (known !== undefined) return known;
    const found = [...(this.#exact.get(subject) ?? [])];
    for (const [pattern, items] of this.#patterns) {
      const mayFit = subject.startsWith(this.#heads.get(pattern) ?? '');
      if (mayFit && subjectMatches(pattern, subject)) found.push(...items);
    }
    if (this.#matches.size >= MATCHES_MAX) this.#matches.clear();
    this.#matches.set(subject, found);
    return found;
  }
}

function headOf(pattern: string): string {
  return pattern.slice(0, pattern.search(/[*>]/));
}

function isPattern(subject: string): boolean {
  return subject.includes('*') || subject.includes('>');
}

const SUBJECT = /^[^\s.]+(?:\.[^\s.]+)*$/;
const WILDCARD_TOKEN = /(?:^|\.)[*>](?:\.|$)/;
const INNER_FULL_WILDCARD = /(?:^|\.)>\./;

/**
 * Refuses what is no subject to send to: an empty token, white space, a wildcard.
 * @throws RotaError `invalid_request`
 */
export function checkSubject(subject: string): void {
  if (!SUBJECT.test(subject) || WILDCARD_TOKEN.test(subject)) {
    throw new RotaError('invalid_request', `${JSON.stringify(subject)} is no subject to send to`);
  }
}

/**
 * Refuses what is no subject to subscribe to: an empty token, white space, `>` before the end.
 * @throws RotaError `invalid_request`
 */
export function checkPattern(pattern: string): void {
  if (!SUBJECT.test(pattern) || INNER_FULL_WILDCARD.test(pattern)) {
    throw new RotaError('invalid_request', `${JSON.stringify(pattern)} is no subject to subscribe to`);
  }
}

/**
 * Who gets a message of those that fit: everyone without a group, and of each group one.
 * @param groupOf the group of a receiver, undefined for none
 * @param choose picks an index below the given size, for the named group
 */
export function receiversOf<T>(
  fitting: readonly T[],
  groupOf: (item: T) => string | undefined,
  choose: (size: number, group: string) => number,
): readonly T[] {
  if (fitting.length === 1) return fitting;
  const groups = new Map<string, T[]>();
  const receivers: T[] = [];
  for (const item of fitting) {
    const group = groupOf(item);
    if (group === undefined) receivers.push(item);
    else groups.set(group, [...(groups.get(group) ?? []), item]);
  }
  for (const [group, members] of groups) {
    const chosen = members.length === 1 ? members[0] : members[choose(members.length, group)];
    if (chosen !== undefined) receivers.push(chosen);
  }
  return receivers;
}
