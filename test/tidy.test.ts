import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import {
  arrowViolations,
  deadFileViolations,
  docViolations,
  type Files,
  injectionViolations,
  lengthViolations,
  markViolations,
  nameViolations,
  packageFileViolations,
  packageViolations,
  report,
  topLevelViolations,
} from './support/source-rules.ts';

/** Files of 301 to 450 lines, each with the reason why it is better whole. */
const LONG_FILES: Record<string, string> = {};

const root = fileURLToPath(new URL('..', import.meta.url));

function readSource(): Files {
  const folders = ['src', 'config', 'test', 'bin'].flatMap((folder) =>
    readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
      .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
      // What the benchmark installs for itself.
      .filter((file) => !file.includes('/node_modules/')),
  );
  const files = [...folders, 'package.json', 'package-lock.json', '.npmrc', 'test/bench/peers/.npmrc'];
  return new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]));
}

describe('the source', () => {
  const files = readSource();

  test('keeps to the arrows of the architecture', () => expect(report(arrowViolations(files))).toEqual([]));
  test('imports each package only in its home', () => expect(report(packageViolations(files))).toEqual([]));
  test('has no file that is too long', () => expect(report(lengthViolations(files, LONG_FILES))).toEqual([]));
  test('takes time, randomness and output as given', () => expect(report(injectionViolations(files))).toEqual([]));
  test('has names that say something', () => expect(report(nameViolations(files))).toEqual([]));
  test('holds no way around the compiler and nothing left for later', () => {
    expect(report(markViolations(files))).toEqual([]);
  });
  test('has no dead file', () => {
    expect(report(deadFileViolations(files, files.get('package.json') ?? ''))).toEqual([]);
  });
  test('documents what it exports', () => expect(report(docViolations(files))).toEqual([]));
  test('has a top level that fits on one line', () =>
    expect(report(topLevelViolations(readdirSync(root)))).toEqual([]));
  test('can be installed from any registry', () => expect(report(packageFileViolations(files))).toEqual([]));
});

const at = (file: string, text: string): Files => new Map([[file, text]]);

/** Runs a rule on one planted file and answers the lines it complains about. */
const linesOf = (rule: (files: Files) => { line: number }[], file: string, text: string): number[] =>
  rule(at(file, text)).map(({ line }) => line);

describe('the rule of arrows', () => {
  test.each([
    ['src/kernel/clock.ts', `import { a } from '../job/job.ts';`],
    ['src/job/job.ts', `import { a } from '../scheduler/schedule.ts';`],
    ['src/supervisor/supervisor.ts', `import type { a } from '../job/job.ts';`],
    ['src/store/job-store.ts', `import { a } from './sqlite/sqlite-store.ts';`],
    ['src/store/sqlite/sqlite-store.ts', `export * from '../postgres/postgres-store.ts';`],
    ['src/store/job-store.ts', `import { a } from '../scheduler/schedule.ts';`],
    ['src/messaging/bus.ts', `import { a } from './nats/nats-bus.ts';`],
    ['src/messaging/nats/nats-bus.ts', `import { a } from '../memory/memory-bus.ts';`],
    ['src/actors/queue/queue.ts', `const a = await import('../../store/sqlite/sqlite-store.ts');`],
    ['src/actors/queue/queue.ts', `import { a } from '../../messaging/nats/nats-bus.ts';`],
    ['src/client/client.ts', `import { a } from '../store/job-store.ts';`],
    ['src/dashboard/page.ts', `type A = import('../app/start.ts').A;`],
    ['src/app/start.ts', `import '../cli/main.ts';`],
    ['src/cli/main.ts', `import {\n a,\n} from '../store/job-store.ts';`],
    ['src/job/job.ts', `import { a } from '../../test/support/a.ts';`],
    ['src/extras/a.ts', ''],
  ])('refuses in %s: %s', (file, text) => {
    expect(linesOf(arrowViolations, file, text)).toEqual([1]);
  });

  test.each([
    ['src/store/job-store.ts', `import type { a } from '../scheduler/schedule.ts';`],
    ['src/store/sqlite/sqlite-store.ts', `import { a } from '../job-store.ts';`],
    ['src/actors/queue/queue.ts', `import { a } from '../../store/job-store.ts';`],
    ['src/actors/queue/queue.ts', `import { a } from '../../messaging/contract/requests.ts';`],
    ['src/app/tree.ts', `import { a } from '../store/sqlite/sqlite-store.ts';`],
    ['src/kernel/clock.ts', `// import { a } from '../job/job.ts';\nconst text = "import { a } from '../job/job.ts'";`],
  ])('allows in %s: %s', (file, text) => {
    expect(linesOf(arrowViolations, file, text)).toEqual([]);
  });

  test('counts the path of an existing file as an import, whoever it is handed to', () => {
    const files = new Map([
      ['src/actors/queue/queue.ts', `\nnew URL('../../store/sqlite/thread.ts', import.meta.url);`],
      ['src/store/sqlite/thread.ts', ''],
    ]);
    expect(report(arrowViolations(files))).toEqual([
      'src/actors/queue/queue.ts:2 actors may not import store/sqlite (src/store/sqlite/thread.ts)',
    ]);
  });
});

describe('the rule of package homes', () => {
  test.each([
    ['src/store/job-store.ts', 'xstate'],
    ['src/messaging/bus.ts', '@nats-io/transport-node'],
    ['src/store/postgres/postgres-store.ts', 'node:sqlite'],
    ['src/store/sqlite/sqlite-store.ts', 'pg'],
    ['src/app/start.ts', 'croner'],
    ['src/client/client.ts', '@msgpack/msgpack'],
    ['src/kernel/clock.ts', 'pino'],
    ['src/job/job.ts', 'uuid'],
    ['src/job/job.ts', 'left-pad'],
    ['src/job/job.ts', 'fs'],
    ['src/testing/testing.ts', 'rota'],
  ])('refuses in %s: %s', (file, name) => {
    expect(linesOf(packageViolations, file, `\nimport { a } from '${name}';`)).toEqual([2]);
  });

  test.each([
    ['src/actors/queue/machine.ts', 'xstate'],
    ['src/messaging/nats/nats-bus.ts', '@nats-io/jetstream'],
    ['src/kernel/log.ts', 'pino-pretty'],
    ['src/job/job.ts', 'node:crypto'],
  ])('allows in %s: %s', (file, name) => {
    expect(linesOf(packageViolations, file, `import { a } from '${name}';`)).toEqual([]);
  });
});

describe('the rule of length', () => {
  const lines = (count: number): string => 'a;\n'.repeat(count);

  test('refuses more than 300 lines without a reason, and more than 450 with one', () => {
    expect(report(lengthViolations(at('src/job/job.ts', lines(300)), {}))).toEqual([]);
    expect(report(lengthViolations(at('src/job/job.ts', lines(301)), {}))).toHaveLength(1);
    expect(report(lengthViolations(at('src/job/job.ts', lines(301)), { 'src/job/job.ts': 'a table' }))).toEqual([]);
    expect(report(lengthViolations(at('src/job/job.ts', lines(451)), { 'src/job/job.ts': 'a table' }))).toHaveLength(1);
  });

  test('refuses a reason that is not needed any more', () => {
    expect(report(lengthViolations(at('src/job/job.ts', lines(300)), { 'src/job/job.ts': 'a table' }))).toHaveLength(1);
  });
});

describe('the rule of injection', () => {
  test.each([
    'const a = Date.now();',
    'const a = new Date();',
    'const a = new Date;',
    'const a = Date();',
    'const a = performance.now();',
    'setTimeout(() => {}, 1);',
    'const a = ready ? setTimeout(f, 1) : f();',
    'globalThis.setInterval(f, 1);',
    'const clock = { setTimeout: setTimeout };',
    'await new Promise(setImmediate);',
    `import { setTimeout as sleep } from 'node:timers/promises';`,
    'const a = Math.random();',
    'const a = crypto.randomUUID();',
    `import { randomUUID } from 'node:crypto';`,
    'const a = process.hrtime.bigint();',
    'const a = AbortSignal.timeout(5);',
    `console.log('a');`,
    `process.stdout.write('a');`,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is planted source
    'const a = `at ${Date.now()}`;',
    'const a = 6 / 2; const b = Date.now() / 2;',
  ])('refuses: %s', (text) => {
    expect(new Set(linesOf(injectionViolations, 'src/job/job.ts', `\n${text}`))).toEqual(new Set([2]));
    expect(linesOf(injectionViolations, 'src/kernel/clock.ts', `\n${text}`)).toEqual([]);
  });

  test.each([
    'const a = new Date(ms);',
    'clock.setTimeout(f, 1);',
    'clock?.setTimeout(f, 1);',
    'const clock = { now, setTimeout(f, ms) { return wheel.add(f, ms); } };',
    'interface Clock { now(): number; setTimeout(f: () => void, ms: number): unknown }',
    'const a: ReturnType<typeof setTimeout> = b;',
    `const a = 'Date.now()';`,
    'const a = `Math.random() and setTimeout(f, 1)`;',
    '// Date.now()',
    '/* console.log(1) */',
    `const a = /'console.log(1)/.test(b);`,
    'const a = options.console;',
    'function f(date: Date): Date { return date; }',
  ])('allows: %s', (text) => {
    expect(report(injectionViolations(at('src/job/job.ts', text)))).toEqual([]);
  });

  test('lets the command line print', () => {
    expect(report(injectionViolations(at('src/cli/main.ts', 'console.log(1); process.stdout.write(a);')))).toEqual([]);
  });
});

describe('the rule of names', () => {
  test.each([
    'src/job/jobState.ts',
    'src/job/Job.ts',
    'src/job/index.ts',
    'src/job/job-utils.ts',
    'src/job/helpers/a.ts',
    'src/store/types.ts',
    'src/common/a.ts',
    'src/Job/a.ts',
    'src/kernel/misc.ts',
    'src/kernel/queue.ts',
    'src/dashboard/page.html',
    'test/unit/someTest.test.ts',
    'bin/Setup.js',
  ])('refuses %s', (file) => {
    expect(report(nameViolations(at(file, '')))).toHaveLength(1);
  });

  test.each([
    'src/index.ts',
    'src/job/job-state.ts',
    'src/README.md',
    'test/unit/job/job-state.test.ts',
    'src/store/sqlite/migrations/0001-jobs.ts',
  ])('allows %s', (file) => expect(report(nameViolations(at(file, '')))).toEqual([]));
});

describe('the rule of marks', () => {
  const later = 'TO' + 'DO';

  test.each([
    'const a = b as any;',
    'const a = <any>b;',
    `// ${later}: finish`,
    `/*\n * ${'FIX' + 'ME'}\n */`,
    `// @ts-${'ignore'}`,
  ])('refuses: %s', (text) => {
    expect(report(markViolations(at('src/job/job.ts', text)))).toHaveLength(1);
  });

  test('tells the line inside a long comment, and leaves strings alone', () => {
    expect(linesOf(markViolations, 'src/job/job.ts', `\n/*\n * ${later}\n */`)).toEqual([3]);
    expect(linesOf(markViolations, 'src/job/job.ts', `const a = '${later} as any';`)).toEqual([]);
  });
});

describe('the rule of dead files', () => {
  const packageJson = JSON.stringify({
    exports: { '.': { default: './dist/index.js' }, './package.json': './package.json' },
  });
  const alive = [
    ['src/index.ts', `export * from './app/start.ts';`],
    ['src/cli/main.ts', `await import('./command.ts');`],
    ['src/cli/command.ts', ''],
    ['src/app/start.ts', `new Worker(new URL('../store/sqlite/thread.ts', import.meta.url));\nhost('./child');`],
    ['src/app/child.ts', ''],
    ['src/store/sqlite/thread.ts', `import type { A } from '../job-store.ts';`],
    ['src/store/job-store.ts', ''],
  ] as const;

  test('follows imports, addresses and names of sibling modules', () => {
    expect(report(deadFileViolations(new Map(alive), packageJson))).toEqual([]);
  });

  test('refuses a file that only a comment or a test names, and a door that is missing', () => {
    const files = new Map<string, string>([
      ...alive,
      ['src/job/old.ts', `import './older.ts';`],
      ['src/job/older.ts', ''],
      ['src/app/child.ts', `// import '../job/old.ts'`],
      ['test/old.test.ts', `import '../src/job/old.ts';`],
    ]);
    files.delete('src/cli/main.ts');
    expect(deadFileViolations(files, packageJson).map(({ file }) => file)).toEqual([
      'src/cli/main.ts',
      'src/cli/command.ts',
      'src/job/old.ts',
      'src/job/older.ts',
    ]);
  });
});

describe('the rule of doc comments', () => {
  test.each([
    'export function a() {}',
    'export async function a() {}',
    'export class A {}',
    'export interface A {}',
    'export type A = 1;',
    'export const a = 1;',
    '/** Far above. */\nconst b = 1;\nexport const a = b;',
    'const A = [1] as const;\nexport type A = (typeof A)[number];',
    '// Not a doc comment.\nexport const a = 1;',
  ])('refuses: %s', (text) => {
    expect(report(docViolations(at('src/job/job.ts', text)))).toHaveLength(1);
  });

  test.each([
    '/** What it is. */\nexport const a = 1;',
    '/** What they are. */\nexport const A = [1] as const;\nexport type A = (typeof A)[number];',
    '/** What they are. */\nexport const A = { b: 1 } as const;\nexport type B = keyof typeof A;',
    '/** What it is. */\n// biome-ignore format: a table\nexport const a = 1;',
    '/** What it is. */\nexport function a(b: 1): 1;\nexport function a(b: 2): 2;\nexport function a(b: unknown) { return b; }',
    `export { a } from './a.ts';\nexport * from './b.ts';\nexport type { C } from './c.ts';`,
  ])('allows: %s', (text) => {
    expect(report(docViolations(at('src/job/job.ts', text)))).toEqual([]);
  });
});

describe('the rules of the top level and the package files', () => {
  test('refuse what does not belong at the top', () => {
    expect(topLevelViolations(['src', '.gitignore', 'dist', 'notes.md']).map(({ file }) => file)).toEqual(['notes.md']);
  });

  test.each([
    ['package-lock.json', '{\n"packages": { "node_modules/a": {\n"resolved": "x" } } }', 3],
    ['package-lock.json', '{ "packages": { "a": { "version": "https://registry.example/a.tgz" } } }', 1],
    ['package.json', '{ "dependencies": {\n"a": "git+https://example.org/a" } }', 2],
    ['.npmrc', 'fund=false\nregistry=http://10.0.0.1/', 2],
    ['test/bench/peers/package-lock.json', '{\n"packages": { "node_modules/a": {\n"resolved": "x" } } }', 3],
  ])('refuse in %s: %s', (file, text, line) => {
    expect(linesOf(packageFileViolations, file, text)).toEqual([line]);
  });

  test.each(['package-lock.json', 'test/bench/peers/package-lock.json'])(
    'refuse in %s that it lacks an optional package',
    (file) => {
      const lock = { packages: { 'node_modules/a': { optionalDependencies: { 'a-linux': '1.0.0' } } } };
      expect(report(packageFileViolations(at(file, JSON.stringify(lock))))).toHaveLength(1);
      const whole = { packages: { ...lock.packages, 'node_modules/a-linux': { version: '1.0.0' } } };
      expect(report(packageFileViolations(at(file, JSON.stringify(whole))))).toEqual([]);
    },
  );
});
