import { codeOf, isMember, type Token, tokenize } from './source-tokens.ts';

export { arrowViolations, deadFileViolations, packageViolations } from './source-arrows.ts';

/** The text of each file by its path from the root, with slashes. */
export type Files = ReadonlyMap<string, string>;

/** One place that breaks a rule. */
export interface Violation {
  file: string;
  line: number;
  message: string;
}

/** A file longer than this is listed with its reason, and none is longer than the ceiling. */
const LINES_MAX = 300;
const LINES_CEILING = 450;

const KERNEL = ['check', 'clock', 'duration', 'error', 'identity', 'json', 'log'];
const VAGUE_NAMES = ['utils', 'util', 'helpers', 'helper', 'types', 'common', 'misc'];
const NAME = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const TOP_LEVEL =
  'package.json package-lock.json tsconfig.json README.md LICENSE src config test bin biome.json vitest.config.ts';
const TOP_LEVEL_GENERATED = 'node_modules dist data';

/** Violations as text, one a line, for a test to show. */
export function report(violations: readonly Violation[]): string[] {
  return violations.map(({ file, line, message }) => `${file}:${line} ${message}`);
}

/** Files that are too long, and exceptions that are not needed any more. */
export function lengthViolations(files: Files, exceptions: Readonly<Record<string, string>>): Violation[] {
  const lines = (text: string): number => text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
  const tooLong = [...files]
    .filter(([file]) => /^(src|bin|config)\/.*\.[jt]s$/.test(file))
    .flatMap(([file, text]) => {
      const count = lines(text);
      if (count > LINES_CEILING)
        return [{ file, line: LINES_CEILING + 1, message: `${count} lines; no file has more than ${LINES_CEILING}` }];
      if (count <= LINES_MAX || Object.hasOwn(exceptions, file)) return [];
      return [
        {
          file,
          line: LINES_MAX + 1,
          message: `${count} lines; more than ${LINES_MAX} need a reason in the list of exceptions`,
        },
      ];
    });
  const idle = Object.keys(exceptions).filter((file) => lines(files.get(file) ?? '') <= LINES_MAX);
  return [
    ...tooLong,
    ...idle.map((file) => ({ file, line: 1, message: 'is listed as too long but is not: take it off the list' })),
  ];
}

/** Time, randomness and output that are not injected, anywhere in src/ but the kernel. */
export function injectionViolations(files: Files): Violation[] {
  return typescript(files, /^src\/(?!kernel\/)/).flatMap(([file, text]) => {
    const code = codeOf(tokenize(text));
    const mayPrint = file.startsWith('src/cli/');
    return code.flatMap((token, index) => {
      const found = token.kind === 'word' || token.kind === 'string' ? bannedAt(code, index, mayPrint) : undefined;
      return found === undefined ? [] : [{ file, line: token.line, message: found }];
    });
  });
}

const BANNED_MEMBERS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Date: { now: 'take the clock that is injected' },
  performance: { now: 'take the clock that is injected' },
  Math: { random: 'take the randomness that is injected' },
  crypto: {
    randomUUID: 'take the id source that is injected',
    getRandomValues: 'take the randomness that is injected',
  },
  AbortSignal: { timeout: 'use a timer of the clock that is injected' },
  process: { hrtime: 'take the clock that is injected' },
};
const TIMERS = ['setTimeout', 'setInterval', 'setImmediate'];
const TIMER_MODULES = ['node:timers', 'node:timers/promises', 'node:perf_hooks'];

function bannedAt(code: readonly Token[], index: number, mayPrint: boolean): string | undefined {
  const { kind, text } = code[index] as Token;
  if (kind === 'string') {
    const imported = ['from', 'import', '('].includes(code[index - 1]?.text ?? '');
    return imported && TIMER_MODULES.includes(text) ? `no "${text}": take the clock that is injected` : undefined;
  }
  if (isMember(code, index) && code[index - 2]?.text !== 'globalThis') return undefined;
  const member = isMember(code, index + 2) ? (code[index + 2]?.text ?? '') : '';
  const why = Object.hasOwn(BANNED_MEMBERS, text) ? BANNED_MEMBERS[text]?.[member] : undefined;
  if (why !== undefined) return `no ${text}.${member}: ${why}`;
  if (text === 'randomUUID') return 'no randomUUID: take the id source that is injected';
  if (text === 'process' && !mayPrint && (member === 'stdout' || member === 'stderr'))
    return `no process.${member}: log`;
  if (text === 'Date' && isDateOfNow(code, index)) return 'no Date without a time: take the clock that is injected';
  if (isKeyOrType(code, index)) return undefined;
  if (TIMERS.includes(text)) return `no global ${text}: use the clock that is injected`;
  return text === 'console' && !mayPrint ? 'no console: log' : undefined;
}

/** `new Date`, `new Date()` and `Date()` read the machine's clock; `new Date(ms)` does not. */
function isDateOfNow(code: readonly Token[], index: number): boolean {
  const called = code[index + 1]?.text === '(';
  if (code[index - 1]?.text === 'new') return !called || code[index + 2]?.text === ')';
  return called;
}

/** A property or method of that name, or a mention in a type: `{ setTimeout(fn, ms) {…} }`, `typeof setTimeout`. */
function isKeyOrType(code: readonly Token[], index: number): boolean {
  const before = code[index - 1]?.text ?? '';
  if (before === 'typeof') return true;
  if (!['{', '}', ',', ';', 'async', 'readonly', 'override', 'public', 'private', 'static'].includes(before))
    return false;
  const next = code[index + 1]?.text;
  if (next === ':' || next === '?') return true;
  if (next !== '(') return false;
  let depth = 0;
  for (let end = index + 1; end < code.length; end++) {
    const { kind, text } = code[end] as Token;
    if (kind !== 'punctuation') continue;
    if (text === '(') depth++;
    if (text === ')' && --depth === 0) return code[end + 1]?.text === '{' || code[end + 1]?.text === ':';
  }
  return false;
}

/** File and folder names that say nothing or do not fit, and anything in src/ that would not be compiled. */
export function nameViolations(files: Files): Violation[] {
  return [...files.keys()].flatMap((file) => {
    const bad = (message: string): Violation[] => [{ file, line: 1, message }];
    const [top = '', ...path] = file.split('/');
    if (!['src', 'config', 'test', 'bin'].includes(top) || path.length === 0) return [];
    const name = path.at(-1) ?? '';
    if (/\.[jt]s$/.test(name) && !NAME.test(name.replace(/(\.test)?\.[jt]s$/, '')))
      return bad('is not named in kebab-case');
    if (top !== 'src' || file === 'src/README.md' || file === 'src/tsconfig.json') return [];
    if (!name.endsWith('.ts')) return bad('would not be in the package: src/ holds only .ts files');
    const parts = [...path.slice(0, -1), name.slice(0, -'.ts'.length)];
    const folder = parts.slice(0, -1).find((part) => !NAME.test(part));
    if (folder !== undefined) return bad(`lies in folder "${folder}", not named in kebab-case`);
    if (parts.includes('index') && file !== 'src/index.ts')
      return bad("an index below src/: a folder's door is the file with its noun");
    const vague = parts.flatMap((part) => part.split('-')).find((word) => VAGUE_NAMES.includes(word));
    if (vague !== undefined) return bad(`"${vague}" names nothing: name the noun that is in there`);
    if (path[0] === 'kernel' && !(path.length === 2 && KERNEL.includes(name.slice(0, -'.ts'.length)))) {
      return bad(`kernel/ is a closed list (${KERNEL.join(', ')})`);
    }
    return [];
  });
}

/** Ways around the compiler, and work that was left for later. */
export function markViolations(files: Files): Violation[] {
  return typescript(files, /^(src|config|test|bin)\//).flatMap(([file, text]) => {
    const tokens = tokenize(text);
    const code = codeOf(tokens);
    // `a<any>` is a type argument, which the linter judges; `<any>a` is a cast.
    const casts = code.filter(({ kind, text: word }, index) => {
      if (kind !== 'word' || word !== 'any') return false;
      const before = code[index - 1]?.text;
      return before === 'as' || (before === '<' && code[index - 2]?.kind !== 'word');
    });
    const marks = tokens.flatMap((token) => {
      const mark = token.kind === 'comment' ? /@ts-(?:ignore|nocheck)|\b(?:TODO|FIXME|XXX)\b/.exec(token.text) : null;
      if (mark === null) return [];
      const line = token.line + token.text.slice(0, mark.index).split('\n').length - 1;
      return [{ file, line, message: `${mark[0]}: do it, or file it` }];
    });
    return [...casts.map(({ line }) => ({ file, line, message: 'no cast to any' })), ...marks];
  });
}

const DECLARES = [
  'function',
  'class',
  'interface',
  'type',
  'const',
  'let',
  'enum',
  'abstract',
  'async',
  'default',
  'declare',
];

/**
 * Exports of src/ without a doc comment right before them. Overloads share the first one's, and a type that is read off
 * a documented value (`(typeof WORDS)[number]`, `keyof typeof TABLE`) shares that value's.
 */
export function docViolations(files: Files): Violation[] {
  return typescript(files, /^src\//).flatMap(([file, text]) => {
    const tokens = tokenize(text);
    const documented = new Set<string>();
    return tokens.flatMap((token, index) => {
      if (token.kind !== 'word' || token.text !== 'export') return [];
      const words = tokens.slice(index + 1, index + 9).filter(({ kind }) => kind !== 'comment');
      const keyword = words[0]?.text ?? '';
      if (!DECLARES.includes(keyword) || (keyword === 'type' && words[1]?.kind !== 'word')) return [];
      const name = words.find(({ kind, text: word }) => kind === 'word' && !DECLARES.includes(word))?.text ?? keyword;
      const overload = words.some(({ text: word }) => word === 'function') && documented.has(name);
      if (!hasDoc(tokens, index) && !overload && !documented.has(sourceOfType(words))) {
        return [{ file, line: token.line, message: `exported ${name} has no doc comment` }];
      }
      documented.add(name);
      return [];
    });
  });
}

/** The name that a type alias is read off: `WORDS` in `type Word = (typeof WORDS)[number]`; else an empty text. */
function sourceOfType(words: readonly Token[]): string {
  const text = words.map((word) => word.text).join(' ');
  return /^type \S+ = (?:\( )?(?:keyof )?(?:typeof )?(?<=(?:keyof|typeof) )(\w+)/.exec(text)?.[1] ?? '';
}

/** A doc comment stands before the token; line comments, such as a linter's, may stand between. */
function hasDoc(tokens: readonly Token[], index: number): boolean {
  for (let before = index - 1; tokens[before]?.kind === 'comment'; before--) {
    if (tokens[before]?.text.startsWith('/**')) return true;
  }
  return false;
}

/** Entries of the top folder that do not belong there. Dotfiles may, and what tools generate and git ignores. */
export function topLevelViolations(entries: readonly string[]): Violation[] {
  const allowed = new Set(`${TOP_LEVEL} ${TOP_LEVEL_GENERATED}`.split(' '));
  return entries
    .filter((entry) => !entry.startsWith('.') && !allowed.has(entry) && !entry.endsWith('.tgz'))
    .map((file) => ({ file, line: 1, message: `does not belong at the top, which holds ${TOP_LEVEL}` }));
}

/** Folders that npm installs: the product, and what the benchmark alone needs. */
const PACKAGE_FOLDERS = ['', 'test/bench/peers/'];

/** Addresses of a registry, and packages that a lockfile leaves out, so that `npm ci` refuses it. */
export function packageFileViolations(files: Files): Violation[] {
  const named = (name: string): string[] => PACKAGE_FOLDERS.map((folder) => `${folder}${name}`);
  const addresses = ['package.json', 'package-lock.json', '.npmrc'].flatMap(named).flatMap((file) =>
    (files.get(file) ?? '').split('\n').flatMap((text, index) => {
      const resolved = /"resolved"\s*:/.test(text);
      const registry =
        /https?:\/\/[^"\s]*(?:registry|npmjs|\.tgz)|^\s*(?:@[\w-]+:)?registry\s*=|_authToken|"git\+?(?:https?|ssh)?:/.test(
          text,
        );
      if (!resolved && !registry) return [];
      return [{ file, line: index + 1, message: 'names the address of a registry: a clone must use its own' }];
    }),
  );
  return [...addresses, ...named('package-lock.json').flatMap((file) => lockGaps(file, files.get(file) ?? '{}'))];
}

/** A registry that lacks an optional package for another machine makes npm write a lockfile that npm itself refuses. */
function lockGaps(file: string, text: string): Violation[] {
  const lock = JSON.parse(text) as { packages?: Record<string, { optionalDependencies?: Record<string, string> }> };
  const packages = lock.packages ?? {};
  return Object.entries(packages).flatMap(([path, entry]) =>
    Object.keys(entry.optionalDependencies ?? {})
      .filter((name) => !(`node_modules/${name}` in packages) && !(`${path}/node_modules/${name}` in packages))
      .map((name) => ({
        file,
        line: 1,
        message: `lacks ${name}, which ${path} names: npm ci refuses it`,
      })),
  );
}

function typescript(files: Files, where: RegExp): [string, string][] {
  return [...files].filter(([file]) => where.test(file) && /\.[jt]s$/.test(file));
}
