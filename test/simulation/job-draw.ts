import type { Chance } from './chance.ts';
import type { Focus } from './phases.ts';

/** A job that a client is about to ask for, and the queue that it names. */
export interface Asking {
  queue: string;
  body: Record<string, unknown> & { id: string; type: string; tags?: string[] };
}

/** How much of what is asked for is of the kind in focus. */
const FOCUSED = 0.6;

/** Draws a job of any kind, more of them of the kind in focus. */
export function drawJob(chance: Chance, id: string, focus: Focus): Asking {
  const ms = chance.of([1, 400, 3_000, 30_000]);
  const late = chance.hits(0.15) ? { scheduleIn: chance.between(500, 120_000) } : {};
  const deadline = chance.hits(0.04) ? { deadline: chance.between(1_000, 80_000) } : {};
  const tagged = chance.hits(0.15) ? { tags: [`t${chance.between(1, 6)}`], reference: { type: 'order', id } } : {};
  const priority = { priority: chance.between(0, 9) };
  const of = (queue: string, type: string, args: object): Asking => ({
    queue,
    body: { id, type, args, ...late, ...deadline, ...priority, ...tagged },
  });
  // One of the kind in focus is drawn from the part of the line that such jobs have.
  const [from, to] = focus !== 'mixed' && chance.hits(FOCUSED) ? FOCUS_PARTS[focus] : [0, 1];
  const drawn = from + chance.random() * (to - from);
  if (drawn < 0.25) return of('work', 'work', { ms });
  if (drawn < 0.35) return of('work', 'flaky', { ms, times: chance.between(1, 3) });
  if (drawn < 0.4) return of('work', 'doomed', { ms });
  if (drawn < 0.48) return of('work', 'later', { ms, times: chance.between(1, 2) });
  if (drawn < 0.5) return of('slow', 'hang', {});
  if (drawn < 0.51) return of('slow', 'deaf', {});
  if (drawn < 0.54) return of('work', 'odd', { times: chance.between(1, 2) });
  if (drawn < 0.58) return of('work', 'parent', {});
  const key = `k${chance.between(1, 4)}`;
  if (drawn < 0.63) return of('work', 'only', { ms: 15_000, key });
  if (drawn < 0.655) return of('work', 'newest', { ms, key });
  if (drawn < 0.68) {
    const { queue, body } = of('work', 'settling', { ms: 400, key });
    return { queue, body: { ...body, scheduleIn: chance.between(5_000, 50_000) } };
  }
  if (drawn < 0.78) return of('capped', 'work', { ms: chance.between(1_000, 12_000) });
  if (drawn < 0.86) return of('rated', 'work', { ms: chance.of([1, 400, 3_000]) });
  if (drawn < 0.97) return of('tenants', 'work', { ms: 8_000, tenant: `t${chance.between(1, 3)}` });
  return of('work', 'fresh', { ms });
}

/** Where the jobs in focus are drawn. */
const FOCUS_PARTS: Record<Exclude<Focus, 'mixed'>, readonly [from: number, to: number]> = {
  keyed: [0.58, 0.68],
  capped: [0.68, 0.78],
  rated: [0.78, 0.86],
  tenants: [0.86, 0.97],
};
