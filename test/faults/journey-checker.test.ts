import { expect, test } from 'vitest';
import type { WireEvent, WireJob } from '../support/plain-client.ts';
import { brokenPromises, type Evidence } from './journey-checker.ts';

/** An event of job `a`, written as `life run what state`. */
function event(text: string): WireEvent {
  const [life, run, what = '', state] = text.split(' ');
  const ended = ['completed', 'discarded', 'cancelled'].includes(what);
  const id = `a:${run}:${what}${ended ? '' : ':1000'}`;
  return { id, source: `/rota/${life}`, type: `jobs.job.${what}`, subject: 'a', data: { state } };
}

/** What handlers of job `a` wrote down, as `what run`. */
const note = (text: string) => ({ what: text.split(' ')[0] ?? '', id: 'a', run: Number(text.split(' ')[1]) });

const entry = (attempt: number) => ({ attempt, kind: 'orphaned', message: '' });
const job = (state: string, attempt: number, errors: WireJob['errors'] = []): WireJob => ({
  ...{ id: 'a', type: 'work', state, attempt, result: null, errors },
});

const STORY = ['1 0 inserted available', '1 1 started executing', '2 2 started executing', '2 2 completed completed'];
const NOTES = ['start 1', 'start 2', 'end 2'];
const GOOD = { job: job('completed', 2, [entry(1)]), story: STORY, notes: NOTES };

function broken(
  change: { job?: WireJob | undefined; story?: string[]; notes?: string[] } & Pick<Evidence, 'interrupted'>,
): string[] {
  const { job: found, story, notes, interrupted = new Set<string>() } = { ...GOOD, ...change };
  const evidence: Evidence = {
    acknowledged: ['a'],
    jobs: found === undefined ? [] : [found],
    notes: notes.map(note),
    events: story.map(event),
    interrupted,
  };
  return brokenPromises(evidence);
}

test('finds nothing wrong with a job that a crash interrupted, nor with an end that is told again', () => {
  expect(broken({})).toEqual([]);
  expect(broken({ story: [...STORY, '3 2 completed completed'] })).toEqual([]);
});

test('lets something be untold where what tells was ended, but neither a second making nor a return', () => {
  const [made = '', ...rest] = STORY.map((line) => line.replace('2 ', '1 '));
  expect(broken({ story: [made, ...rest], interrupted: new Set(['/rota/1']) })).toEqual([]);
  expect(broken({ story: [made, ...rest, '1 3 started executing'], interrupted: new Set(['/rota/1']) })).not.toEqual(
    [],
  );
});

test.each([
  ['a lost job', { job: undefined }, /acknowledged and is lost/],
  ['a job that never ends', { job: job('executing', 2, [entry(1)]) }, /has not ended/],
  ['an end that nobody heard of', { story: STORY.slice(0, 3) }, /nobody was told/],
  ['an end under two ids', { story: [...STORY, '3 3 completed completed'] }, /several ids/],
  ['an attempt that was not counted', { job: job('completed', 1, [entry(1)]) }, /entries of attempts 1/],
  ['an attempt without its entry', { job: job('completed', 2) }, /entries of attempts none/],
  ['a run that is started twice', { notes: ['start 1', 'start 2', 'start 2', 'end 2'] }, /started run 2 after run 2/],
  ['a run number that falls', { notes: ['start 3', 'start 2', 'end 2'] }, /started run 2 after run 3/],
  ['a completion without work', { notes: ['start 1', 'start 2'] }, /never ended/],
  ['a completed job that runs again', { notes: [...NOTES, 'start 3'] }, /started again after run 2/],
  [
    'a start that skips the rescue',
    { story: STORY.map((line) => line.replace('2 ', '1 ')) },
    /"started" .* in executing/,
  ],
  [
    'a job that is made twice',
    { story: [...STORY.slice(0, 2), '2 1 inserted available', STORY[3] ?? ''] },
    /"inserted"/,
  ],
  ['a return from the end', { story: [...STORY, '3 3 started executing'] }, /"started" .* in completed/],
  ['a wrong state in an event', { story: ['1 0 inserted executing', ...STORY.slice(1)] }, /leads to executing/],
])('finds %s', (_what, change, complaint) => {
  expect(broken(change).join('\n')).toMatch(complaint);
});
