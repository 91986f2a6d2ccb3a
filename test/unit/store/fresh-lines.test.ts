import { expect, it } from 'vitest';
import type { NewJob } from '../../../src/job/job.ts';
import { type Came, type FreshJobs, FreshLine, FreshLines, idsOf } from '../../../src/store/postgres/fresh-lines.ts';
import { newJob } from '../../conformance/store/store-driver.ts';

const NOW = 1_000_000;

const some = (count: number, part: (at: number) => Partial<NewJob> = () => ({})): NewJob[] =>
  Array.from({ length: count }, (_, at) => newJob({ scheduledAt: 100, ...part(at) }));

/** What a store knows of jobs that it inserted with one statement. */
function known(jobs: readonly NewJob[]): FreshJobs {
  const { queue, type, priority, maxAttempts } = jobs[0] ?? newJob();
  return {
    alike: { queue, type, priority, maxAttempts },
    ids: jobs.map(({ id }) => id),
    args: jobs.map(({ args }) => JSON.stringify(args)),
    scheduledAts: jobs.map(({ scheduledAt }) => scheduledAt),
    insertedAts: jobs.map(({ insertedAt }) => insertedAt),
    xmin: '7',
  };
}

function came(jobs: readonly NewJob[], part: Partial<Came> = {}): Came {
  const lining = new Map([[jobs[0]?.queue ?? 'default', jobs]]);
  return { lining, fresh: [known(jobs)], taken: [], takenFresh: [], left: new Set(), ...part };
}

const ids = (jobs: readonly { id: string }[]): string[] => jobs.map(({ id }) => id);
const take = (line: FreshLine | undefined, limit: number, bytesMax = Number.MAX_SAFE_INTEGER): string[] =>
  idsOf(line?.take({ limit, bytesMax, bytesOf: (args) => args.length, before: undefined }) ?? []);

/** A line that jobs came in, each list by itself. */
function lineOf(...lists: NewJob[][]): FreshLine {
  const line = new FreshLine(undefined, NOW);
  for (const jobs of lists) expect(line.come(jobs, [known(jobs)], [])).toBe(true);
  return line;
}

it('gives jobs by priority, then by time, then as they came', () => {
  const normal = some(3);
  const later = some(2, () => ({ scheduledAt: 200 }));
  const between = some(2, () => ({ scheduledAt: 150 }));
  const urgent = some(2, () => ({ priority: 1, scheduledAt: 300 }));
  const line = lineOf(normal, later, between, urgent);
  expect(line.size).toBe(9);
  expect(take(line, 4)).toEqual(ids([...urgent, ...normal.slice(0, 2)]));
  const first = some(1, () => ({ scheduledAt: 50 }));
  expect(line.come(first, [known(first)], [])).toBe(true);
  expect(take(line, 99)).toEqual(ids([...first, ...normal.slice(2), ...between, ...later]));
  expect(line.size).toBe(0);
  expect(take(line, 1)).toEqual([]);
});

it('gives no more bytes than asked for, but one job always', () => {
  const jobs = some(4, () => ({ args: 'x'.repeat(8) }));
  const line = lineOf(jobs);
  expect(take(line, 9, 1)).toEqual(ids(jobs.slice(0, 1)));
  expect(take(line, 9, 29)).toEqual(ids(jobs.slice(1, 3)));
});

it('does not know a line in which something came that it does not know, or whose order is not plain', () => {
  const jobs = some(3, (at) => ({ scheduledAt: 100 + 10 * at }));
  const line = new FreshLine(undefined, NOW);
  expect(line.come(jobs, [known(jobs.slice(1))], [])).toBe(false);
  const among = some(1, () => ({ scheduledAt: 115 }));
  expect(lineOf(jobs).come(among, [known(among)], [])).toBe(false);
  const around = some(2, (at) => ({ scheduledAt: 90 + 100 * at }));
  expect(lineOf(jobs).come(around, [known(around)], [])).toBe(false);
});

it('gives up beyond 20,000 jobs or 4 Mi characters of args', () => {
  const many = some(20_001);
  expect(new FreshLine(undefined, NOW).come(many, [known(many)], [])).toBe(false);
  const large = some(5, () => ({ args: 'x'.repeat(1024 * 1024) }));
  expect(new FreshLine(undefined, NOW).come(large, [known(large)], [])).toBe(false);
});

it('takes in jobs of its types only, without those that were taken', () => {
  const line = new FreshLine(['mine'], NOW);
  const mine = some(3, () => ({ type: 'mine' }));
  const theirs = some(2, () => ({ type: 'theirs' }));
  expect(line.come([...mine, ...theirs], [known(mine), known(theirs)], [[], ids(mine.slice(1, 2))])).toBe(true);
  expect(take(line, 99)).toEqual(ids([...mine.slice(0, 1), ...mine.slice(2)]));
});

it('has a line from a claim on that left nothing, with what came and was not taken meanwhile', () => {
  const lines = new FreshLines();
  const [before, since, seen] = [some(2), some(4), some(2)];
  lines.came(came(before));
  expect(lines.of('default', '*')).toBeUndefined();
  const told = [
    came(since, { taken: [ids(since.slice(0, 1))] }),
    came(seen, { takenFresh: [ids(since.slice(1, 2))] }),
    came(some(3, () => ({ queue: 'other' }))),
  ];
  lines.open('default', undefined, { name: '*', now: NOW, taken: [ids(seen)], since: told });
  const line = lines.of('default', '*');
  expect(line?.size).toBe(2);
  const next = some(1);
  lines.came(came(next));
  // Another claim that left nothing knows no more than the line.
  lines.open('default', undefined, { name: '*', now: NOW, taken: [], since: [] });
  expect(take(lines.of('default', '*'), 99)).toEqual(ids([...since.slice(2), ...next]));
});

it('has no line where another claim held more than it took, or what came is not known', () => {
  const lines = new FreshLines();
  const open = (...since: Came[]) => lines.open('default', undefined, { name: '*', now: NOW, taken: [], since });
  open(came(some(1), { left: new Set(['default']) }));
  expect(lines.of('default', '*')).toBeUndefined();
  open(came(some(1), { fresh: [] }));
  expect(lines.of('default', '*')).toBeUndefined();
  open();
  lines.came(
    came(
      some(1, () => ({ queue: 'other' })),
      { left: new Set(['other']) },
    ),
  );
  expect(lines.of('default', '*')).toBeDefined();
  lines.came(came([], { left: new Set(['default']) }));
  expect(lines.of('default', '*')).toBeUndefined();
});

it('is looked at from the head each 100 ms, after a clock that went back, and where it is said', () => {
  const line = new FreshLine(undefined, NOW);
  expect(line.isDue(NOW + 99)).toBe(false);
  expect(line.isDue(NOW + 100)).toBe(true);
  expect(line.isDue(NOW - 1)).toBe(true);
  line.looked(NOW + 100);
  expect(line.isDue(NOW + 199)).toBe(false);
  line.looked(undefined);
  expect(line.isDue(NOW + 100)).toBe(true);
});

it('tells who looks what others have in hand, until they have found its rows', () => {
  const jobs = some(4);
  const line = lineOf(jobs);
  const taking = () => line.take({ limit: 1, bytesMax: 99, bytesOf: () => 1, before: undefined });
  const [mine, theirs] = [taking(), taking()];
  expect(line.inHandBeside(mine)).toEqual(ids(jobs.slice(1, 2)));
  line.found(theirs);
  expect(line.inHandBeside(mine)).toEqual([]);
  expect([line.has(jobs[1]?.id ?? ''), line.has(jobs[2]?.id ?? '')]).toEqual([false, true]);
});
