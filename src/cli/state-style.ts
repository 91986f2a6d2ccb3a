import type { Style } from './output.ts';

const STYLES: Readonly<Record<string, Style>> = {
  completed: 'green',
  discarded: 'red',
  retryable: 'yellow',
  cancelled: 'magenta',
  executing: 'cyan',
  started: 'cyan',
  rescued: 'yellow',
  failed: 'red',
  'gave-up': 'red',
  'start-failed': 'red',
  'child-exited': 'yellow',
  'child-restarted': 'yellow',
  missed: 'yellow',
  rejected: 'red',
};

/** The look of a job state, or of what an event tells. */
export function stateStyle(word: unknown): Style | undefined {
  return typeof word === 'string' && Object.hasOwn(STYLES, word) ? STYLES[word] : undefined;
}
