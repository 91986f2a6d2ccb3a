import { styleText } from 'node:util';
import type { CliWorld } from './cli-world.ts';

/** The looks that are used; none of them says what the text does not. */
export type Style = 'red' | 'green' | 'yellow' | 'cyan' | 'magenta' | 'dim' | 'bold';

/** Puts a look on a text, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string;

/** Leaves text as it is. */
export const plain: Paint = (_style, text) => text;

const COLUMNS_DEFAULT = 80;

/** Where a command writes: results on standard output, notes beside it on standard error. */
export class Output {
  readonly #world: Pick<CliWorld, 'stdout' | 'stderr' | 'env'>;
  /** Standard output is a terminal. */
  readonly terminal: boolean;
  readonly paint: Paint;

  constructor(world: Pick<CliWorld, 'stdout' | 'stderr' | 'env'>) {
    this.#world = world;
    this.terminal = world.stdout.isTTY === true;
    const { NO_COLOR = '', TERM } = world.env;
    this.paint = this.terminal && NO_COLOR === '' && TERM !== 'dumb' ? paintAnsi : plain;
  }

  /** The columns of the terminal; undefined where nothing must be cut to fit. */
  get columns(): number | undefined {
    // A terminal that does not know its size says 0.
    return this.terminal ? this.#world.stdout.columns || COLUMNS_DEFAULT : undefined;
  }

  /** One line, or several. */
  line(text: string): void {
    this.#world.stdout.write(`${text}\n`);
  }

  /** One JSON document: on one line where a program reads it, spread out for a person. */
  json(value: unknown): void {
    this.line(this.terminal ? JSON.stringify(value, null, 2) : JSON.stringify(value));
  }

  /** Something beside the result. */
  note(text: string): void {
    this.#world.stderr.write(`${text}\n`);
  }
}

function paintAnsi(style: Style, text: string): string {
  // Whether the stream takes colours was decided above.
  return styleText(style, text, { validateStream: false });
}
