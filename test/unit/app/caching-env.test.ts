import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rota-cache-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Where a program and a thread that it gives `cachingEnv()` keep what they compiled; `before` is what the program does first. */
function caches(before: string): { own: string; thread: string; left: string | null } {
  const program = `import module from 'node:module';
    import { Worker } from 'node:worker_threads';
    ${before}
    const { cachingEnv } = await import(${JSON.stringify(new URL('../../../src/app/caching-env.ts', import.meta.url).href)});
    const tell = 'import("node:module").then(({ getCompileCacheDir }) => process.stdout.write(getCompileCacheDir() ?? ""))';
    const thread = new Worker(tell, { eval: true, stdout: true, env: cachingEnv() });
    thread.stdout.setEncoding('utf8');
    const told = (await Array.fromAsync(thread.stdout)).join('');
    console.log(JSON.stringify({ own: module.getCompileCacheDir() ?? '', thread: told, left: process.env.NODE_COMPILE_CACHE ?? null }));`;
  const { NODE_COMPILE_CACHE: _none, ...env } = process.env;
  return JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '--eval', program], { env, encoding: 'utf8' }),
  );
}

describe('the environment of a thread', () => {
  test('leads it to the compile cache of its program, and leaves that of the program itself alone', () => {
    const told = caches(`module.enableCompileCache(${JSON.stringify(folder)});`);
    expect(told).toEqual({ own: expect.stringContaining(folder), thread: told.own, left: null });
  });

  test('is the program’s where that has no cache', () => {
    expect(caches('')).toEqual({ own: '', thread: '', left: null });
  });
});
