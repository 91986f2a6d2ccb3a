/** What must have been seen over a set of runs, or they prove nothing: each fault had its effect somewhere. */
export const WANTED = [
  'fault partition',
  'fault freeze',
  'fault store-fail',
  'fault store-stall',
  'fault store-lost-answer',
  'fault link',
  'fault broker-down',
  'fault kill',
  'fault restart',
  'fault jump',
  'fault crash',
  'store taken over',
  'zombie fenced',
  'lease recovered',
  'duplicate ignored',
  'unique conflict',
  'leader deposed',
  'supervisor gave up',
  'global limit reached',
  'rate reached',
  'partition full',
  'begun before it was durable',
] as const;

/** How often each remarkable thing was seen. */
export class Sightings {
  readonly counts = new Map<string, number>();

  saw(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  add(others: Sightings): void {
    for (const [what, count] of others.counts) this.counts.set(what, (this.counts.get(what) ?? 0) + count);
  }

  /** What was wanted and never seen. */
  get missing(): string[] {
    return WANTED.filter((what) => !this.counts.has(what));
  }

  text(): string {
    return [...this.counts]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([what, count]) => `${what} ${count}`)
      .join(', ');
  }
}
