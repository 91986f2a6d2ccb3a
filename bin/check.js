// What a reviewer would run, in order: format and lint, types, tests. `npm test -- <path>` narrows the tests.
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { isatty } from 'node:tty';
import { fileURLToPath } from 'node:url';
import { endLike, runAttached } from './child.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tools = join(root, 'node_modules', '.bin');

/**
 * Counts what vitest's JSON report tells. A file that failed without a failed test of its own (it did not load, a hook
 * threw) counts as one failed; so does a run that ended badly although every test passed (a stray rejection).
 * @param {{ numPassedTests: number, numFailedTests: number, testResults: { status: string, assertionResults: { status: string }[] }[] }} report
 * @param {number} exitCode vitest's
 */
export function countTests(report, exitCode) {
  const broken = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  ).length;
  const failed = report.numFailedTests + broken;
  return { passed: report.numPassedTests, failed: failed === 0 && exitCode !== 0 ? 1 : failed };
}

/** Runs one step; ends the whole check where it fails. Answers true when the next may run. */
async function step(name, program, args) {
  const startMs = performance.now();
  const env = { ...process.env, PATH: `${tools}${delimiter}${process.env.PATH ?? ''}` };
  const ended = await runAttached(process.execPath, [join(tools, program), ...args], { cwd: root, env });
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  const good = ended.code === 0 && !ended.stopped;
  console.log(`check: ${name} ${good ? 'passed' : `failed (exit ${ended.code})`} in ${seconds} s`);
  if (!good) endLike(ended.code === 0 ? { ...ended, code: 1 } : ended);
  return { good, code: ended.code };
}

async function tests(filters) {
  const folder = mkdtempSync(join(tmpdir(), 'rota-check-'));
  const reportFile = join(folder, 'report.json');
  try {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`];
    const { good, code } = await step('tests', 'vitest', ['run', ...reporters, ...filters]);
    const { passed, failed } = countTests(readReport(reportFile), code);
    if (good && passed + failed === 0) {
      console.log('check: no test was run');
      process.exitCode = 1;
    }
    console.log(`${passed} passed, ${failed} failed`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A run that was killed or could not start leaves no report. */
function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return { numPassedTests: 0, numFailedTests: 0, testResults: [] };
  }
}

async function main(filters) {
  // Biome takes a CI for a terminal and colours every letter.
  const colors = isatty(1) ? [] : ['--colors=off'];
  if (!(await step('format and lint', 'biome', ['ci', ...colors, '.'])).good) return;
  if (!(await step('types', 'tsc', ['--noEmit'])).good) return;
  await tests(filters);
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url))
  await main(process.argv.slice(2));
