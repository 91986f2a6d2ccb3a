import { COMMON_FLAGS } from './arguments.ts';
import type { Command, Flags } from './command.ts';
import { settingFlags } from './setting-flags.ts';

const EXIT_CODES = 'Exit codes: 0 it went well, 1 it failed, 2 the command line is at fault.';

/** The page of `rota help`. */
export function generalHelp(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  return [
    'rota: a supervised job scheduler for people who run NATS',
    '',
    'Usage: rota COMMAND [WORDS] [FLAGS]',
    '',
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    '"rota COMMAND --help" tells more of one; "rota --version" tells the version.',
    'Commands other than start and doctor talk to a running Rota over NATS: nats://127.0.0.1:4222,',
    'or what --nats or ROTA_NATS names.',
    EXIT_CODES,
  ].join('\n');
}

/** The page of one command. */
export function commandHelp(command: Command): string {
  const { name, summary, positionals, flags, settings, examples, notes = [] } = command;
  const words = positionals.map((word) => (word.required ? word.name : `[${word.name}]`));
  return [
    `rota ${name}: ${summary}`,
    '',
    `Usage: ${['rota', name, ...words, '[FLAGS]'].join(' ')}`,
    ...section('Words', rows(positionals.map((word) => [word.name, word.what]))),
    ...section('Flags', flagRows({ ...flags, ...COMMON_FLAGS })),
    ...section('Settings [environment variable, default]', flagRows(settingFlags(settings))),
    ...section(
      'Examples',
      examples.map((line) => `  ${line}`),
    ),
    '',
    ...notes,
    EXIT_CODES,
  ].join('\n');
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', `${title}:`, ...lines];
}

function flagRows(flags: Flags): string[] {
  return rows(
    Object.entries(flags).map(([name, { type, value, multiple, what }]) => [
      type === 'boolean' ? `--${name}` : `--${name} ${value ?? 'VALUE'}`,
      multiple ? `${what}; may be given several times` : what,
    ]),
  );
}

function rows(pairs: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(0, ...pairs.map(([left]) => left.length));
  return pairs.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
