import type { QueueRule } from '../queue-rules.ts';
import type { StoreWorld } from '../verb.ts';

/** How many jobs of a queue may start now by what operators said of it, its partitions apart. */
export function roomOf(world: StoreWorld, rule: QueueRule, now: number): number {
  if (rule.paused || rule.sorting) return 0;
  const free =
    rule.globalLimit === null ? Number.POSITIVE_INFINITY : rule.globalLimit - world.counts.of(rule.queue, 'executing');
  return Math.max(0, Math.min(free, rule.window?.room(now) ?? Number.POSITIVE_INFINITY));
}
