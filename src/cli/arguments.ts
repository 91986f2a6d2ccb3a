import { parseArgs } from 'node:util';
import { type RawSettings, SETTINGS } from '../app/settings.ts';
import type { Command, Flag, Flags } from './command.ts';
import { flagName, settingFlags } from './setting-flags.ts';
import { UsageError } from './usage-error.ts';

/** Flags that every command has. */
export const COMMON_FLAGS = {
  json: { type: 'boolean', what: 'write JSON, errors too' },
  help: { type: 'boolean', what: 'show this text' },
} as const satisfies Flags;

/** What a command line says, once it is known to be well-formed. */
export interface ReadArguments {
  flags: Record<string, boolean | string | string[]>;
  settings: RawSettings;
  positionals: string[];
  help: boolean;
}

/** Every flag that a command knows. */
export function flagsOf(command: Command): Flags {
  return { ...command.flags, ...settingFlags(command.settings), ...COMMON_FLAGS };
}

/**
 * Reads what stands after a command's name.
 * @throws UsageError for unknown flags, values that are missing or too many, words that are missing or too many
 */
export function readArguments(command: Command, args: readonly string[]): ReadArguments {
  const known = flagsOf(command);
  const options = Object.fromEntries(
    Object.entries(known).map(([name, { type, multiple = false }]) => [name, { type, multiple }]),
  );
  // Not strict, for its own words know nothing of our commands; the tokens are judged here instead.
  const { tokens } = parseArgs({
    args: args.map((arg) => (arg === '-h' ? '--help' : arg)),
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const flags: Record<string, boolean | string | string[]> = {};
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const flag = Object.hasOwn(known, token.name) ? known[token.name] : undefined;
    if (flag === undefined) throw unknownFlag(command, token.rawName, Object.keys(known));
    addFlag(flags, { command, flag, token });
  }
  const help = flags.help === true;
  if (!help) checkPositionals(command, positionals);
  return { flags, settings: settingsIn(command, flags), positionals, help };
}

interface FlagUse {
  command: Command;
  flag: Flag;
  token: { name: string; rawName: string; value?: string | undefined; inlineValue?: boolean | undefined };
}

function addFlag(flags: Record<string, boolean | string | string[]>, { command, flag, token }: FlagUse): void {
  const { name, rawName, value, inlineValue } = token;
  if (flag.type === 'boolean') {
    if (value !== undefined) throw new UsageError(`${rawName} takes no value`, hintOf(command));
    flags[name] = true;
    return;
  }
  if (value === undefined || value === '' || (inlineValue !== true && /^-./.test(value))) {
    const example = `${rawName} ${flag.value ?? 'VALUE'}`;
    const dash = value?.startsWith('-') ? `; a value that begins with "-" is given as ${rawName}=${value}` : '';
    throw new UsageError(`${rawName} needs a value: ${example}${dash}`, hintOf(command));
  }
  const before = flags[name];
  if (flag.multiple) flags[name] = [...(Array.isArray(before) ? before : []), value];
  else if (before === undefined) flags[name] = value;
  else throw new UsageError(`${rawName} is given twice`, hintOf(command));
}

function unknownFlag(command: Command, rawName: string, known: readonly string[]): UsageError {
  const near = nearest(rawName.replace(/^-+/, ''), known);
  const guess = near === undefined ? '' : `; did you mean --${near}?`;
  return new UsageError(`${rawName} is no flag of "rota ${command.name}"${guess}`, hintOf(command));
}

function checkPositionals(command: Command, given: readonly string[]): void {
  const missing = command.positionals.find(({ required }, index) => required && given[index] === undefined);
  if (missing !== undefined) {
    throw new UsageError(`"rota ${command.name}" needs ${missing.name}: ${missing.what}`, hintOf(command));
  }
  const extra = given[command.positionals.length];
  if (extra !== undefined) {
    throw new UsageError(`"${extra}" is too much for "rota ${command.name}"`, hintOf(command));
  }
}

/** Where to read on after a mistake. */
export function hintOf({ name }: { readonly name: string }): string {
  return `"rota ${name} --help" shows what it takes`;
}

function settingsIn(command: Command, flags: Readonly<Record<string, unknown>>): RawSettings {
  const given: RawSettings = {};
  for (const name of command.settings) {
    const value = flags[flagName(name)];
    if (value !== undefined && Object.hasOwn(SETTINGS, name)) given[name] = value;
  }
  return given;
}

/** The known word that a mistyped one is likely to mean: at most a third of it differs. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate) }))
    .sort((a, b) => a.distance - b.distance);
  const [best] = ranked;
  if (best === undefined || best.distance > Math.max(1, Math.floor(best.candidate.length / 3))) return undefined;
  return best.candidate;
}

/** How many letters are missing, too many, wrong or swapped with the next (optimal string alignment), row by row. */
function editDistance(left: string, right: string): number {
  let before: number[] = [];
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const change = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1];
      const swap = swapped ? (before[j - 2] ?? 0) + 1 : change;
      next.push(Math.min(change, swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    before = row;
    row = next;
  }
  return row.at(-1) ?? 0;
}
