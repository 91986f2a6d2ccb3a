import type { Json } from '../kernel/json.ts';
import { UsageError } from './usage-error.ts';

/** How much of the line at fault is shown on each side. */
const SHOWN_EACH_SIDE = 30;

/**
 * Reads JSON that a person wrote.
 * @param what names it in the error
 * @throws UsageError that says where it stops being JSON
 */
export function readJson(text: string, what: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    const at = jsonFaultAt(text);
    const from = Math.max(0, at - SHOWN_EACH_SIDE);
    const shown = text.slice(from, at + SHOWN_EACH_SIDE).replace(/\s/g, ' ');
    const where = at >= text.length ? 'it ends too early' : `at position ${at}`;
    throw new UsageError(
      `${what} is no JSON: ${where}\n  ${shown}\n  ${' '.repeat(at - from)}^`,
      `quote it for the shell: '{"to":"a@example.org"}'`,
    );
  }
}

const SPACE = /[ \t\n\r]*/y;
const SCALAR =
  /"(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/uy;
const KEY = /"(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/uy;

/**
 * Where a text stops being JSON (RFC 8259): the index of the first character that no JSON text could have there, or of the
 * token that it breaks. JSON.parse does not tell it for short texts.
 */
export function jsonFaultAt(text: string): number {
  const open: ('{' | '[')[] = [];
  let at = 0;
  const eat = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    at += match?.[0].length ?? 0;
    return match !== null;
  };
  const eatCharacter = (character: string): boolean => {
    eat(SPACE);
    if (text[at] !== character) return false;
    at += 1;
    return true;
  };
  const eatKey = (): boolean => {
    eat(SPACE);
    return eat(KEY) && eatCharacter(':');
  };
  for (;;) {
    eat(SPACE);
    // A value begins here.
    if (eatCharacter('[')) {
      if (!eatCharacter(']')) {
        open.push('[');
        continue;
      }
    } else if (eatCharacter('{')) {
      if (!eatCharacter('}')) {
        open.push('{');
        if (!eatKey()) return at;
        continue;
      }
    } else if (!eat(SCALAR)) return at;
    // A value has ended: what is around it ends or goes on.
    for (;;) {
      const around = open.at(-1);
      if (around === undefined) {
        eat(SPACE);
        return at;
      }
      if (eatCharacter(',')) {
        if (around === '{' && !eatKey()) return at;
        break;
      }
      if (!eatCharacter(around === '{' ? '}' : ']')) return at;
      open.pop();
    }
  }
}
