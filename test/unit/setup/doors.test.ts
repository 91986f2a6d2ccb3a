import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadBin } from './load-bin.ts';

const { writeDoors } = await loadBin<{ writeDoors(root: string): boolean }>('setup/doors.js');

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rota-doors-'));
  const door = (path: string) => ({ types: `./dist/${path}.d.ts`, default: `./dist/${path}.js` });
  const exports = { '.': door('index'), './client': door('client/client'), './package.json': './package.json' };
  writeFileSync(join(root, 'package.json'), JSON.stringify({ exports }));
});
afterEach(() => rmSync(root, { recursive: true }));

const text = (path: string): string => readFileSync(join(root, path), 'utf8');

test('every door of the package forwards to its source', () => {
  expect(writeDoors(root)).toBe(true);
  expect(readdirSync(join(root, 'dist'), { recursive: true }).sort()).toEqual(
    ['client', 'client/client.d.ts', 'client/client.js', 'index.d.ts', 'index.js'].map((path) => join(path)),
  );
  expect(text('dist/index.js')).toBe("export * from '../src/index.ts';\n");
  expect(text('dist/index.d.ts')).toBe("export * from '../src/index.ts';\n");
  expect(text('dist/client/client.js')).toBe("export * from '../../src/client/client.ts';\n");
});

test('a stub that is right is left alone, one that differs is put back', () => {
  writeDoors(root);
  const before = statSync(join(root, 'dist/index.js'), { bigint: true }).mtimeNs;
  expect(writeDoors(root)).toBe(false);
  expect(statSync(join(root, 'dist/index.js'), { bigint: true }).mtimeNs).toBe(before);
  writeFileSync(join(root, 'dist/index.js'), 'export const compiled = true;\n');
  expect(writeDoors(root)).toBe(true);
  expect(text('dist/index.js')).toBe("export * from '../src/index.ts';\n");
});
