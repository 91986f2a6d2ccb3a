import type { RawSettings, SettingName } from '../app/settings.ts';
import type { CliWorld } from './cli-world.ts';
import type { Output } from './output.ts';

/** One flag: a switch, or one that takes a value. */
export interface Flag {
  readonly type: 'string' | 'boolean';
  /** May be given several times. */
  readonly multiple?: true;
  /** What stands for its value in the help text. */
  readonly value?: string;
  readonly what: string;
}

/** Flags by their names in kebab case. */
export type Flags = Readonly<Record<string, Flag>>;
type ValueOf<F extends Flag> = F extends { type: 'boolean' }
  ? boolean
  : F extends { multiple: true }
    ? string[]
    : string;
/** The values of the flags that were given. */
export type FlagValues<F extends Flags> = { readonly [K in keyof F]?: ValueOf<F[K]> };

/** A word on the command line that is no flag. */
export interface Positional {
  readonly name: string;
  readonly required?: true;
  readonly what: string;
}

/** One use of a command. */
export interface Call<F extends Flags = Flags> {
  readonly flags: FlagValues<F>;
  /** The settings that were given as flags, by their names in camel case. */
  readonly settings: RawSettings;
  readonly positionals: readonly string[];
  readonly json: boolean;
  readonly out: Output;
  readonly world: CliWorld;
}

/** A command of `rota`. */
export interface Command<F extends Flags = Flags> {
  readonly name: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  readonly positionals: readonly Positional[];
  readonly flags: F;
  /** Which settings it takes as flags; see SETTINGS. */
  readonly settings: readonly SettingName[];
  readonly examples: readonly string[];
  /** What more there is to know, a line each. */
  readonly notes?: readonly string[];
  /**
   * Does it.
   * @returns the exit code
   * @throws UsageError, RotaError
   */
  run(call: Call<F>): Promise<number>;
}

/** Declares a command, so that the types of its flags are read off their table. */
export function defineCommand<const F extends Flags>(command: Command<F>): Command<F> {
  return command;
}

/** Exit codes; a program that was killed has none of its own. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;
