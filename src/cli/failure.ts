import { errorText, RotaError } from '../kernel/error.ts';
import { EXIT } from './command.ts';
import { cleanLines } from './display.ts';
import type { Output } from './output.ts';
import { blamesFlags } from './setting-flags.ts';
import { UsageError } from './usage-error.ts';

/**
 * Tells what went wrong, once and in words.
 * @param how `json`: for a program; `stack`: with the stack, for whoever looks into Rota itself
 * @returns the exit code
 */
export function tellFailure(thrown: unknown, out: Output, how: { json: boolean; stack: boolean }): number {
  if (how.json) out.note(JSON.stringify({ error: failureView(thrown) }));
  else out.note(failureText(thrown));
  if (how.stack && thrown instanceof Error) out.note(stackText(thrown));
  return isUsage(thrown) ? EXIT.usage : EXIT.failed;
}

function isUsage(thrown: unknown): boolean {
  return thrown instanceof UsageError || (thrown instanceof RotaError && blamesFlags(thrown));
}

function failureView(thrown: unknown): object {
  if (thrown instanceof UsageError) return { code: 'usage', message: thrown.message, hint: thrown.hint };
  if (!(thrown instanceof RotaError)) return { code: 'failed', message: withCauses(thrown) };
  const { code, message, issues } = thrown;
  return issues.length > 0 ? { code, message: headline(message), issues } : { code, message };
}

/** A message and what is behind it; our own errors say that themselves. */
function withCauses(thrown: unknown): string {
  const text = errorText(thrown);
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  if (cause === undefined) return text;
  const behind = withCauses(cause);
  return text.includes(behind) ? text : `${text}: ${behind}`;
}

/** Of a message that lists its issues, what stands above them. */
function headline(message: string): string {
  return message.split('\n', 1)[0] ?? '';
}

/** The message, then each issue that it does not already tell. */
export function failureText(thrown: unknown): string {
  if (thrown instanceof UsageError) return cleanLines(`rota: ${thrown.message}\n${thrown.hint}`);
  if (!(thrown instanceof RotaError)) return cleanLines(`rota: ${withCauses(thrown)}`);
  if (thrown.issues.length === 0) return cleanLines(`rota: ${thrown.message}`);
  const head = headline(thrown.message);
  const lines = thrown.issues
    .filter(({ message }) => !head.includes(message))
    .map(({ path, message }) => (path === '' ? `  ${message}` : `  ${path} ${message}`));
  return cleanLines([`rota: ${head}`, ...lines].join('\n'));
}

function stackText(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stackText(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}
