import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { binPath, loadBin } from './load-bin.ts';

interface Launcher {
  decide(world: { version: string; root: string; handedOver: boolean; exists: (path: string) => boolean }): object;
  lacks(start: {
    words: string[];
    execArgv: string[];
    env: Record<string, string>;
  }): { flags: string[]; env: Record<string, string> } | undefined;
}
const { decide, lacks } = await loadBin<Launcher>('rota.js');
const { forwards } = await loadBin<{ forwards(signal: string, onTerminal: boolean): boolean }>('child.js');

const SOURCE = '/r/src/cli/main.ts';
const COMPILED = '/r/dist/cli/main.js';
const SETUP = '/r/bin/setup.js';
const PINNED = '/r/node_modules/node/bin/node';
const world = (version: string, files: string[], handedOver = false) =>
  decide({ version, root: '/r', handedOver, exists: (path) => files.includes(path) });

describe('the launcher', () => {
  test('runs the source in a checkout and the compiled program in an installed package', () => {
    expect(world('24.0.0', [SOURCE, COMPILED])).toEqual({ act: 'run', cli: SOURCE });
    expect(world('26.3.1', [COMPILED])).toEqual({ act: 'run', cli: COMPILED });
  });

  test('says so when the program is missing', () => {
    expect(world('24.0.0', [])).toEqual({ act: 'refuse', why: expect.stringContaining('is missing') });
  });

  test('hands over to the Node that setup installed when it runs on an old one', () => {
    expect(world('20.20.2', [SETUP, SOURCE, PINNED])).toEqual({ act: 'hand-over', node: PINNED });
  });

  test('never hands over twice', () => {
    expect(world('20.20.2', [SETUP, SOURCE, PINNED], true)).toMatchObject({ act: 'refuse' });
  });

  test('tells what runs, what is needed and how to get it', () => {
    expect(world('20.20.2', [SETUP, SOURCE])).toEqual({
      act: 'refuse',
      why: 'Rota needs Node 24 or newer; this is Node 20.20.2. Run "node bin/setup.js" in /r, which installs it there, and try again.',
    });
    expect(world('18.0.0', [COMPILED, PINNED])).toEqual({
      act: 'refuse',
      why: expect.stringMatching(/^Rota needs Node 24 or newer; this is Node 18\.0\.0\. Install it .*npx/),
    });
  });

  test('leaves to the terminal what a terminal sends to every process', () => {
    expect(['SIGINT', 'SIGHUP', 'SIGTERM'].filter((signal) => forwards(signal, true))).toEqual(['SIGTERM']);
    expect(['SIGINT', 'SIGHUP', 'SIGTERM'].filter((signal) => forwards(signal, false))).toHaveLength(3);
  });
});

describe('what keeps a node small', () => {
  const start = (execArgv: string[] = [], env: Record<string, string> = {}) =>
    lacks({ words: ['start'], execArgv, env });
  const { flags: [SEMI = '', GROWING = ''] = [], env: ENV = {} } = start() ?? {};

  test('is given to nodes and to no other command', () => {
    expect(start()?.flags.map((flag) => flag.split('=')[0])).toEqual([
      '--max-semi-space-size',
      '--heap-growing-percent',
    ]);
    expect(ENV).toEqual({ MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '131072' });
    for (const words of [[], ['enqueue', 'start'], ['--help'], ['doctor']]) {
      expect(lacks({ words, execArgv: [], env: {} })).toBeUndefined();
    }
  });

  test('is given once', () => {
    expect(start([SEMI, GROWING], { ...ENV, ROTA_LENT: Object.keys(ENV).join() })).toBeUndefined();
    expect(start([SEMI, GROWING], { MALLOC_ARENA_MAX: '8', ROTA_LENT: '' })).toBeUndefined();
  });

  test('yields to what the user chose, wherever that stands and however it is spelt', () => {
    expect(start(['--max-semi-space-size=64'])?.flags).toEqual([GROWING]);
    expect(start(['--heap_growing_percent=200'])?.flags).toEqual([SEMI]);
    expect(start([], { NODE_OPTIONS: '--no-warnings  --max-semi-space-size=64' })?.flags).toEqual([GROWING]);
    const { MALLOC_ARENA_MAX: _chosen, ...others } = ENV;
    expect(start([], { MALLOC_ARENA_MAX: '8' })).toEqual({ flags: [SEMI, GROWING], env: others });
  });
});

describe('the launcher as a program', () => {
  let root = '';
  beforeEach(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'rota-launcher-')));
    cpSync(fileURLToPath(binPath('')), join(root, 'bin'), { recursive: true });
    mkdirSync(join(root, 'src', 'cli'), { recursive: true });
    writeFileSync(join(root, 'package.json'), '{"type":"module"}');
  });
  afterEach(() => rmSync(root, { recursive: true }));

  /** Starts the launcher, as if on an old Node where `version` says so; the test's own Node plays the pinned one. */
  function launch(options: { main: string; version?: string; args?: string[] }): ChildProcess {
    writeFileSync(join(root, 'src', 'cli', 'main.ts'), options.main);
    mkdirSync(join(root, 'node_modules', 'node', 'bin'), { recursive: true });
    const pinned = join(root, 'node_modules', 'node', 'bin', 'node');
    // execArgv is passed on, which would make the new Node seem old too: the wrapper drops it.
    writeFileSync(pinned, `#!/bin/sh\nshift 2\nexec ${JSON.stringify(process.execPath)} "$@"\n`);
    chmodSync(pinned, 0o755);
    const asVersion = join(root, 'as-version.cjs');
    const versions = `{ ...process.versions, node: ${JSON.stringify(options.version)} }`;
    writeFileSync(asVersion, `Object.defineProperty(process, 'versions', { value: ${versions} });`);
    const execArgv = options.version === undefined ? [] : ['--require', asVersion];
    return spawn(process.execPath, [...execArgv, join(root, 'bin', 'rota.js'), ...(options.args ?? [])], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  async function ended(child: ChildProcess) {
    let output = '';
    child.stdout?.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr?.on('data', (chunk) => {
      output += chunk;
    });
    const [code, signal] = await once(child, 'close');
    return { code, signal, output };
  }

  const PRINT =
    'export async function main(argv: string[]) { console.log(process.env.ROTA_HANDED_OVER, ...argv); process.exitCode = 7; }';

  test('hands its arguments to the command line', async () => {
    const args = ['enqueue', 'a b', '--c'];
    expect(await ended(launch({ main: PRINT, args }))).toEqual({
      code: 7,
      signal: null,
      output: 'undefined enqueue a b --c\n',
    });
  });

  test('works through the symbolic link that npm installs', async () => {
    writeFileSync(join(root, 'src', 'cli', 'main.ts'), PRINT);
    symlinkSync(join(root, 'bin', 'rota.js'), join(root, 'linked'));
    const child = spawn(process.execPath, [join(root, 'linked'), 'x'], { stdio: ['ignore', 'pipe', 'pipe'] });
    expect(await ended(child)).toMatchObject({ code: 7, output: 'undefined x\n' });
  });

  test('on an old Node, ends with the exit code of the new one', async () => {
    const child = launch({ main: PRINT, version: '20.0.0', args: ['x'] });
    expect(await ended(child)).toEqual({ code: 7, signal: null, output: 'undefined x\n' });
  });

  /** Tells how it was started. */
  const TELL = `export async function main(argv: string[]) {
    const { execArgv, pid, env } = process;
    const inherited = Object.keys(env).filter((name) => /^(MALLOC|ROTA)_/.test(name));
    console.log(JSON.stringify({ argv, execArgv, pid, inherited }));
    process.disconnect?.();
  }`;

  test('starts a node in its own place with what keeps it small, which nothing that it starts inherits', async () => {
    const args = ['start', '--data', 'a b'];
    const child = launch({ main: TELL, args });
    const { code, output } = await ended(child);
    expect({ code, told: JSON.parse(output) }).toEqual({
      code: 0,
      told: {
        ...{ argv: args, pid: child.pid, inherited: [] },
        execArgv: lacks({ words: ['start'], execArgv: [], env: {} })?.flags,
      },
    });
  });

  test('leaves a node where it is that its parent speaks with over a channel', async () => {
    writeFileSync(join(root, 'src', 'cli', 'main.ts'), TELL);
    const child = fork(join(root, 'bin', 'rota.js'), ['start'], { execArgv: [], stdio: 'pipe' });
    expect(JSON.parse((await ended(child)).output)).toMatchObject({ argv: ['start'], execArgv: [], pid: child.pid });
  });

  const WAIT = (handler: string) =>
    `export async function main() { ${handler} setInterval(() => {}, 1000); console.log('ready'); }`;

  test('on an old Node, passes a signal on and lets the new one stop in its own way', async () => {
    const child = launch({ main: WAIT(`process.once('SIGTERM', () => process.exit(3));`), version: '20.0.0' });
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    child.kill('SIGTERM');
    expect(await ended(child)).toMatchObject({ code: 3, signal: null });
  });

  test('on an old Node, dies of the signal that the new one died of', async () => {
    const child = launch({ main: WAIT(''), version: '20.0.0' });
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    child.kill('SIGTERM');
    expect(await ended(child)).toMatchObject({ code: null, signal: 'SIGTERM' });
  });
});
