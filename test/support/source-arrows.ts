import { posix } from 'node:path';
import type { Files, Violation } from './source-rules.ts';
import { codeOf, type Import, importsOf, tokenize } from './source-tokens.ts';

/**
 * Who may import what, by folder (or part of a folder, where that has rules of its own). A place may always import
 * itself. `scheduler (types)` means `import type` only.
 */
// biome-ignore format: a table reads best as a table
export const ARROWS: Readonly<Record<string, readonly string[]>> = {
  'kernel':             [],
  'job':                ['kernel'],
  'scheduler':          ['kernel', 'job'],
  'supervisor':         ['kernel'],
  'store':              ['kernel', 'job', 'scheduler (types)'],
  'store/sqlite':       ['kernel', 'job', 'scheduler (types)', 'store'],
  'store/postgres':     ['kernel', 'job', 'scheduler (types)', 'store'],
  'messaging':          ['kernel', 'job', 'scheduler (types)', 'messaging/contract'],
  'messaging/contract': ['kernel', 'job', 'scheduler (types)', 'messaging'],
  'messaging/nats':     ['kernel', 'job', 'scheduler (types)', 'messaging', 'messaging/contract'],
  'messaging/memory':   ['kernel', 'job', 'scheduler (types)', 'messaging', 'messaging/contract'],
  'actors':             ['kernel', 'job', 'scheduler', 'supervisor', 'store', 'messaging', 'messaging/contract'],
  'client':             ['kernel', 'job', 'scheduler (types)', 'messaging', 'messaging/contract', 'messaging/nats', 'messaging/memory'],
  'dashboard':          ['kernel', 'client'],
  'app':                ['kernel', 'job', 'scheduler', 'supervisor', 'store', 'store/sqlite', 'store/postgres', 'messaging',
                         'messaging/contract', 'messaging/nats', 'messaging/memory', 'actors', 'client', 'dashboard'],
  'cli':                ['kernel', 'app', 'client'],
  'testing':            ['kernel', 'job', 'scheduler', 'supervisor', 'store', 'store/sqlite', 'store/postgres', 'messaging',
                         'messaging/contract', 'messaging/nats', 'messaging/memory', 'actors', 'client', 'app'],
  'index':              ['kernel', 'job', 'scheduler', 'supervisor', 'store', 'store/sqlite', 'store/postgres', 'messaging',
                         'messaging/contract', 'messaging/nats', 'messaging/memory', 'actors', 'client', 'app'],
};

/** Where each package (or a built-in module with a home) may be imported: folders end with a slash, files do not. */
// biome-ignore format: a table reads best as a table
export const PACKAGE_HOMES: readonly (readonly [accepts: RegExp, homes: readonly string[]])[] = [
  [/^xstate(\/|$)/,              ['src/supervisor/', 'src/actors/', 'src/job/']],
  [/^@nats-io\//,                ['src/messaging/nats/']],
  [/^node:sqlite$/,              ['src/store/sqlite/']],
  [/^(pg|pg-[a-z-]+|postgres)$/, ['src/store/postgres/']],
  [/^croner$/,                   ['src/scheduler/']],
  [/^@msgpack\/msgpack$/,        ['src/messaging/']],
  [/^pino(-pretty)?$/,           ['src/kernel/log.ts', 'src/app/']],
  [/^uuid$/,                     ['src/kernel/identity.ts']],
  [/^@standard-schema\/spec$/,   ['src/job/']],
];

/** The first files that run: package.json's doors (as their sources) and the command line. */
export function doorsOf(packageJson: string): string[] {
  const { exports = {} } = JSON.parse(packageJson) as { exports?: Record<string, string | { default?: string }> };
  const targets = Object.values(exports).map((target) => (typeof target === 'string' ? target : target.default));
  const doors = targets.flatMap((target) => /^\.\/dist\/(.+)\.js$/.exec(target ?? '')?.[1] ?? []);
  return [...doors.map((door) => `src/${door}.ts`), 'src/cli/main.ts'];
}

/** Imports that go against {@link ARROWS}. */
export function arrowViolations(files: Files): Violation[] {
  return sources(files).flatMap(([file, text]) => {
    const place = placeOf(file);
    const allowed = place === undefined ? undefined : ARROWS[place];
    if (place === undefined || allowed === undefined) {
      return [{ file, line: 1, message: 'lies in no place of the arrows table' }];
    }
    return referencesOf(file, text, files).flatMap(({ target, line, typeOnly }) => {
      if (!target.startsWith('src/')) return [{ file, line, message: `src/ may not import ${target}, outside of it` }];
      const to = placeOf(target) ?? target;
      if (to === place || allowed.includes(to) || (typeOnly && allowed.includes(`${to} (types)`))) return [];
      const onlyTypes = allowed.includes(`${to} (types)`);
      const rule = onlyTypes ? `may import ${to} only with "import type"` : `may not import ${to}`;
      return [{ file, line, message: `${place} ${rule} (${target})` }];
    });
  });
}

/** Packages imported away from their home, and those that have none. */
export function packageViolations(files: Files): Violation[] {
  return sources(files).flatMap(([file, text]) =>
    importsOf(codeOf(tokenize(text))).flatMap(({ specifier, line }) => {
      if (specifier.startsWith('.')) return [];
      const home = PACKAGE_HOMES.find(([accepts]) => accepts.test(specifier));
      if (home === undefined) {
        if (specifier.startsWith('node:')) return [];
        return [
          { file, line, message: `"${specifier}" has no home in src/; give it one in PACKAGE_HOMES or do without` },
        ];
      }
      const atHome = home[1].some((place) => file === place || (place.endsWith('/') && file.startsWith(place)));
      return atHome ? [] : [{ file, line, message: `"${specifier}" is imported only in ${home[1].join(', ')}` }];
    }),
  );
}

/** Source files that nothing leads to from the doors, and doors that do not exist. */
export function deadFileViolations(files: Files, packageJson: string): Violation[] {
  const doors = doorsOf(packageJson);
  const missing = doors.filter((door) => !files.has(door));
  const reached = new Set<string>();
  const open = doors.filter((door) => files.has(door));
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (reached.has(file)) continue;
    reached.add(file);
    for (const { target } of referencesOf(file, files.get(file) ?? '', files)) if (files.has(target)) open.push(target);
  }
  return [
    ...missing.map((file) => ({ file, line: 1, message: 'is a door of the package but does not exist' })),
    ...sources(files)
      .filter(([file]) => !reached.has(file))
      .map(([file]) => ({ file, line: 1, message: 'is dead: no door of the package leads to it' })),
  ];
}

interface Reference {
  target: string;
  line: number;
  typeOnly: boolean;
}

/**
 * The files that a source names: its relative imports, and strings that are the path of an existing file, such as
 * `new URL('./thread.ts', import.meta.url)` or a thread's entry handed to a helper.
 */
function referencesOf(file: string, text: string, files: Files): Reference[] {
  const code = codeOf(tokenize(text));
  const imports: Import[] = importsOf(code).filter(({ specifier }) => specifier.startsWith('.'));
  const imported = new Set(imports.map(({ specifier, line }) => `${line} ${specifier}`));
  const strings: Import[] = code
    .filter((token) => token.kind === 'string' || token.kind === 'template')
    .filter((token) => /^\.{1,2}\//.test(token.text) && files.has(resolve(file, token.text, files)))
    .map((token) => ({ specifier: token.text, line: token.line, typeOnly: false }))
    .filter(({ specifier, line }) => !imported.has(`${line} ${specifier}`));
  // An import over several lines is told by its first line, its string by its last: once is enough.
  const specifiers = new Set(imports.map(({ specifier }) => specifier));
  return [...imports, ...strings.filter(({ specifier }) => !specifiers.has(specifier))].map((entry) => ({
    target: resolve(file, entry.specifier, files),
    line: entry.line,
    typeOnly: entry.typeOnly,
  }));
}

function resolve(file: string, specifier: string, files: Files): string {
  const path = posix.join(posix.dirname(file), specifier);
  const candidates = [path, `${path}.ts`, path.replace(/\.js$/, '.ts')];
  return candidates.find((candidate) => files.has(candidate)) ?? path;
}

/** The longest place of the table that a file lies in. */
function placeOf(file: string): string | undefined {
  if (file === 'src/index.ts') return 'index';
  const places = Object.keys(ARROWS).filter((place) => place !== 'index' && file.startsWith(`src/${place}/`));
  return places.sort((a, b) => b.length - a.length)[0];
}

function sources(files: Files): [string, string][] {
  return [...files].filter(([file]) => file.startsWith('src/') && file.endsWith('.ts'));
}
