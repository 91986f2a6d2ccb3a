/** What a piece of source is. A template is told in pieces, with the tokens of each `${}` between them. */
export type TokenKind = 'word' | 'number' | 'string' | 'template' | 'regex' | 'punctuation' | 'comment';

/** One piece of source. The text of a string or template piece is what stands between the quotes. */
export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** Counted from 1. */
  readonly line: number;
}

/** One module that a source names. */
export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** `import type` and `export type`: gone when the program runs. */
  readonly typeOnly: boolean;
}

const SPACE = /\s+/y;
const WORD = /[\p{ID_Start}$_][\p{ID_Continue}$]*/uy;
const NUMBER = /\d\w*(?:\.\d\w*)?(?:(?<=[eE])[+-]\d+)?/y;
const COMMENT = /\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|^#![^\n]*/y;
const STRING = /'(?:[^'\\\n]|\\[\s\S])*'?|"(?:[^"\\\n]|\\[\s\S])*"?/y;
const TEMPLATE_PIECE = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*/y;
const REGEX = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/\w*/y;
const PUNCTUATION = /\.\.\.|\?\.(?!\d)|=>|[\s\S]/uy;

/** After these words a slash begins a regular expression; after any other word it divides. */
const BEFORE_REGEX = new Set(
  'return typeof case in of do else void delete throw new instanceof await yield default'.split(' '),
);

/**
 * Takes TypeScript source apart, as far as the rules need it: strings, templates, regular expressions and comments are
 * told from code. A regular expression right after a `)` or `}` is taken for a division.
 */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  const braces: ('block' | 'template')[] = [];
  let at = 0;
  let line = 1;

  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0];
  };
  const push = (kind: TokenKind, raw: string, text = raw): void => {
    tokens.push({ kind, text, line });
    advance(raw);
  };
  const advance = (raw: string): void => {
    at += raw.length;
    for (const character of raw) if (character === '\n') line++;
  };
  const templatePiece = (): void => {
    push('template', take(TEMPLATE_PIECE) ?? '');
    if (source.startsWith('${', at)) {
      push('punctuation', '${');
      braces.push('template');
    } else {
      advance(source.slice(at, at + 1));
    }
  };

  while (at < source.length) {
    const first = source[at] ?? '';
    const space = take(SPACE);
    if (space !== undefined) {
      advance(space);
      continue;
    }
    const comment = take(COMMENT);
    if (comment !== undefined) {
      push('comment', comment);
      continue;
    }
    const word = take(WORD);
    if (word !== undefined) {
      push('word', word);
    } else if (/\d/.test(first)) {
      push('number', take(NUMBER) ?? first);
    } else if (first === "'" || first === '"') {
      const raw = take(STRING) ?? first;
      push('string', raw, raw.slice(1, raw.length > 1 && raw.endsWith(first) ? -1 : undefined));
    } else if (first === '`') {
      advance(first);
      templatePiece();
    } else if (first === '/' && regexMayFollow(tokens)) {
      push(take(REGEX) === undefined ? 'punctuation' : 'regex', take(REGEX) ?? first);
    } else {
      if (first === '{') braces.push('block');
      const closes = first === '}' ? braces.pop() : undefined;
      push('punctuation', take(PUNCTUATION) ?? first);
      if (closes === 'template') templatePiece();
    }
  }
  return tokens;
}

function regexMayFollow(tokens: readonly Token[]): boolean {
  const last = tokens.findLast((token) => token.kind !== 'comment');
  if (last === undefined) return true;
  if (last.kind === 'word') return BEFORE_REGEX.has(last.text);
  return last.kind === 'punctuation' && ![')', ']', '}'].includes(last.text);
}

/** The tokens without comments: what a compiler would see. */
export function codeOf(tokens: readonly Token[]): Token[] {
  return tokens.filter((token) => token.kind !== 'comment');
}

/** Every module that code names: `import`, `export … from`, `import('…')`. */
export function importsOf(code: readonly Token[]): Import[] {
  const found: Import[] = [];
  code.forEach((token, index) => {
    if (token.kind !== 'word' || (token.text !== 'import' && token.text !== 'export')) return;
    if (isMember(code, index)) return;
    const next = code[index + 1];
    const specifier =
      token.text === 'import' && next?.text === '(' && next.kind === 'punctuation'
        ? code[index + 2]
        : specifierOf(code, index + 1, token.text);
    if (specifier?.kind !== 'string') return;
    const typeOnly = next?.text === 'type' && next.kind === 'word' && code[index + 2]?.text !== 'from';
    found.push({ specifier: specifier.text, line: token.line, typeOnly });
  });
  return found;
}

/** The module of a static import or re-export whose clause begins at `start`; undefined when it is neither. */
function specifierOf(code: readonly Token[], start: number, keyword: 'import' | 'export'): Token | undefined {
  let index = start;
  if (code[index]?.kind === 'string') return keyword === 'import' ? code[index] : undefined;
  const isType = code[index]?.text === 'type';
  if (isType) index++;
  const opens = code[index];
  const clause = opens?.text === '{' || opens?.text === '*';
  if (opens === undefined || (!clause && (keyword === 'export' || opens.kind !== 'word'))) return undefined;
  // A clause holds only names, commas and one pair of braces; anything else means that this was no import.
  for (let seen = 0; seen < 2_000; seen++, index++) {
    const token = code[index];
    if (token === undefined || !(token.kind === 'word' || '{},*'.includes(token.text))) return undefined;
    if (token.text === 'from' && code[index + 1]?.kind === 'string') return code[index + 1];
  }
  return undefined;
}

/** Whether the token is a member of something: `a.b`, `a?.b`. */
export function isMember(code: readonly Token[], index: number): boolean {
  const before = code[index - 1];
  return before?.kind === 'punctuation' && (before.text === '.' || before.text === '?.');
}
