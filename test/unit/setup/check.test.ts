import { expect, test } from 'vitest';
import { loadBin } from './load-bin.ts';

interface Report {
  numPassedTests: number;
  numFailedTests: number;
  testResults: readonly { status: string; assertionResults: readonly { status: string }[] }[];
}
const { countTests } = await loadBin<{
  countTests(report: Report, exitCode: number): { passed: number; failed: number };
}>('check.js');

const good = { status: 'passed', assertionResults: [{ status: 'passed' }] };
const bad = { status: 'failed', assertionResults: [{ status: 'passed' }, { status: 'failed' }] };
const broken = { status: 'failed', assertionResults: [] };

test.each([
  ['only good files', [1, 0, good], 0, '1 passed, 0 failed'],
  ['a failed test', [2, 1, good, bad], 1, '2 passed, 1 failed'],
  ['a file that does not load', [1, 0, good, broken], 1, '1 passed, 1 failed'],
  ['a stray rejection', [1, 0, good], 1, '1 passed, 1 failed'],
  ['no test at all', [0, 0], 1, '0 passed, 1 failed'],
] as const)('counts %s', (...[, [numPassedTests, numFailedTests, ...testResults], exitCode, counts]) => {
  const { passed, failed } = countTests({ numPassedTests, numFailedTests, testResults }, exitCode);
  expect(`${passed} passed, ${failed} failed`).toBe(counts);
});
