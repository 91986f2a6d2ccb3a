import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { binPath, loadBin } from './load-bin.ts';

interface Lock {
  acquire(folder: string): boolean;
  releaseLock(folder: string): void;
}
const { acquire, releaseLock } = await loadBin<Lock>('setup/lock.js');

let root = '';
let folder = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rota-lock-'));
  folder = join(root, '.rota-setup-lock');
});
afterEach(() => rmSync(root, { recursive: true }));

async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
  await once(child, 'exit');
  return child.pid ?? 0;
}

function plantOwner(owner: object): void {
  mkdirSync(folder);
  writeFileSync(join(folder, 'owner'), JSON.stringify(owner));
}

test('one at a time, and nothing stays behind', () => {
  expect(acquire(folder)).toBe(true);
  expect(acquire(folder)).toBe(false);
  releaseLock(folder);
  expect(acquire(folder)).toBe(true);
  releaseLock(folder);
  expect(readdirSync(root)).toEqual([]);
});

test('the lock of a dead process is taken over', async () => {
  plantOwner({ host: hostname(), processes: [{ pid: await deadPid() }] });
  expect(acquire(folder)).toBe(true);
  expect(JSON.parse(readFileSync(join(folder, 'owner'), 'utf8')).processes[0].pid).toBe(process.pid);
  expect(acquire(folder)).toBe(false);
});

test('a child that outlives its dead parent holds the lock', async () => {
  expect(acquire(folder)).toBe(true);
  const { host, processes } = JSON.parse(readFileSync(join(folder, 'owner'), 'utf8'));
  writeFileSync(join(folder, 'owner'), JSON.stringify({ host, processes: [{ pid: await deadPid() }, ...processes] }));
  expect(acquire(folder)).toBe(false);
});

test.runIf(process.platform === 'linux')('a process that got the number of a dead one does not hold its lock', () => {
  plantOwner({ host: hostname(), processes: [{ pid: process.pid, started: '1' }] });
  expect(acquire(folder)).toBe(true);
});

test('the lock of another host is believed', () => {
  plantOwner({ host: 'elsewhere', processes: [{ pid: 1 }] });
  expect(acquire(folder)).toBe(false);
});

test('several processes that find a stale lock do their work one after the other', async () => {
  plantOwner({ host: hostname(), processes: [{ pid: await deadPid() }] });
  const log = join(root, 'log');
  const script = `
    import { appendFileSync } from 'node:fs';
    import { withLock } from ${JSON.stringify(binPath('setup/lock.js').href)};
    await withLock(${JSON.stringify(root)}, () => {}, async () => {
      appendFileSync(${JSON.stringify(log)}, 'in\\n');
      await new Promise((resolve) => setTimeout(resolve, 20));
      appendFileSync(${JSON.stringify(log)}, 'out\\n');
    });`;
  const start = () => promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
  await Promise.all([start(), start(), start()]);
  expect(readFileSync(log, 'utf8')).toBe('in\nout\n'.repeat(3));
});
