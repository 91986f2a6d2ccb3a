import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { binPath, loadBin } from './load-bin.ts';

interface Setup {
  stepsOf(args: string[]): {
    install: boolean;
    nats: string;
    python: boolean;
    postgres: boolean;
    doors: boolean;
    clean: boolean;
  };
  isCheckout(root: string): boolean;
  givesNats(env: Record<string, string>): boolean;
}
const { stepsOf, isCheckout, givesNats } = await loadBin<Setup>('setup.js');
const { reasonIn } = await loadBin<{ reasonIn(output: string): string }>('setup/run.js');

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rota-setup-'));
});
afterEach(() => rmSync(root, { recursive: true }));

/** A folder with a copy of bin/, and what else makes it look like a checkout. */
function plantCheckout(folder: string): string {
  mkdirSync(join(folder, 'src'), { recursive: true });
  cpSync(fileURLToPath(binPath('')), join(folder, 'bin'), { recursive: true });
  writeFileSync(join(folder, 'package-lock.json'), '{}');
  const exports = { '.': { default: './dist/index.js' } };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module', exports }));
  return join(folder, 'bin', 'setup.js');
}

function setup(script: string, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [script, ...args], (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

describe('the steps', () => {
  test.each([
    [[], { install: true, nats: 'unless-given', python: false, postgres: false, doors: true, clean: false }],
    [['--tests'], { install: true, nats: 'always', python: true, postgres: true, doors: true, clean: false }],
    [['--doors'], { install: false, nats: 'never', python: false, postgres: false, doors: true, clean: true }],
    [['--pack'], { install: true, nats: 'never', python: false, postgres: false, doors: false, clean: true }],
  ])('of %j', (args, steps) => expect(stepsOf(args)).toEqual(steps));

  test.each([[['--door']], [['--tests', '--doors']]])('refuse %j', (args) => {
    expect(() => stepsOf(args)).toThrow(/is not understood; use node bin\/setup\.js/);
  });
});

test('a NATS server of the operator makes nats-server here needless', () => {
  expect(givesNats({ ROTA_NATS: 'nats://nats.example:4222' })).toBe(true);
  expect(givesNats({ ROTA_NATS: 'embedded://127.0.0.1:4333' })).toBe(false);
  expect(givesNats({})).toBe(false);
});

test('--doors leaves only the stubs in dist', async () => {
  const script = plantCheckout(root);
  mkdirSync(join(root, 'dist', 'job'), { recursive: true });
  writeFileSync(join(root, 'dist', 'job', 'stale.js'), '');
  expect(await setup(script, '--doors')).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(readdirSync(join(root, 'dist')).sort()).toEqual(['index.d.ts', 'index.js']);
});

test('an installed package is left alone', async () => {
  const folder = join(root, 'node_modules', 'rota');
  const script = plantCheckout(folder);
  expect(isCheckout(folder)).toBe(false);
  expect(await setup(script)).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(readdirSync(folder).sort()).toEqual(['bin', 'package-lock.json', 'package.json', 'src']);
});

test('a refusal is one sentence and exit code 1', async () => {
  const { code, stderr } = await setup(plantCheckout(root), '--what');
  expect(code).toBe(1);
  expect(stderr).toMatch(/^setup: "--what" is not understood; .*\n$/);
});

describe('the reason that a package manager gives', () => {
  test('is its first sentence, without an address', () => {
    const output =
      'npm warn deprecated x\nnpm error code E404\nnpm error 404 Not Found - GET https://registry.example/a - Not found\nnpm error A complete log of this run can be found in: /x\n';
    expect(reasonIn(output)).toBe('404 Not Found - GET (address) - Not found');
  });

  test('is that the registry is out of reach, when it is', () => {
    const output = 'npm error code ENOTFOUND\nnpm error request to https://registry.example/a failed';
    expect(reasonIn(output)).toBe('the package registry cannot be reached (ENOTFOUND)');
  });
});
