import { execFileSync } from 'node:child_process';
import type { RunResult } from './run.ts';
import type { Shrunk } from './shrink.ts';

/** Broken promises and trace lines that a report shows. */
const BROKEN_SHOWN = 10;
const LINES_SHOWN = 60;

/** What a person needs to look at a failure: the seed, the code it was found in, the faults that are left, the jobs' stories. */
export function failureReport(failed: RunResult, shrunk: Shrunk, mutation?: string): string {
  const { result, runs } = shrunk;
  const { seed, mode, topology, nodes, faults, activeMs } = result.plan;
  const planted = mutation === undefined ? '' : ` --mutation ${mutation}`;
  const again = `npm run simulate -- --seed ${seed} --mode ${mode} --minutes ${activeMs / 60_000}${planted}`;
  const left = faults.map((fault) => failed.plan.faults.indexOf(fault));
  const about = [...new Set(result.broken.slice(0, 3).map((broken) => broken.about))];
  const shown = result.broken.slice(0, BROKEN_SHOWN);
  return [
    `seed ${seed} breaks ${failed.broken.length} promises (mode ${mode}, commit ${commit()})`,
    `again: ${again}`,
    `with the faults that are left only: ${again} --faults ${left.join(',') || 'none'}`,
    ...shown.map(({ atMs, rule, about: whom, words }) => `  ${(atMs / 1000).toFixed(3)} s  ${rule}: ${whom} ${words}`),
    `the world: ${topology} store; ${nodes.map(({ name, roles, route }) => `${name} ${roles.join('+')} ${route}`).join('; ')}`,
    `faults that are left of ${failed.plan.faults.length} after ${runs} runs:`,
    ...faults.map((fault) => `  ${JSON.stringify(fault)}`),
    'the story of what is concerned:',
    ...storyOf(result, about).map((line) => `  ${line}`),
  ].join('\n');
}

/** What happened to some jobs, schedules or nodes, and the faults on the way. */
function storyOf({ trace, broken }: RunResult, about: readonly string[]): string[] {
  const untilMs = Math.max(...broken.slice(0, BROKEN_SHOWN).map(({ atMs }) => atMs));
  return trace.about([...about, '{"atMs":'], LINES_SHOWN, untilMs);
}

/** The commit that is checked out, where that is known. */
export function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'unknown';
  }
}
