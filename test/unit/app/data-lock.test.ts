import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { lockDataFolder } from '../../../src/app/data-lock.ts';

function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'rota-lock-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const answer = async (child: ChildProcess): Promise<unknown> => (await once(child, 'message'))[0];

/** Another process that can be told to lock a folder. */
async function contender(): Promise<{ pid: number; lock(folder: string): Promise<unknown>; kill(): Promise<void> }> {
  const child = fork(fileURLToPath(new URL('./lock-contender.ts', import.meta.url)), { execArgv: [] });
  const exited = once(child, 'exit');
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  onTestFinished(kill);
  await answer(child);
  return {
    pid: child.pid ?? 0,
    lock: (folder) => {
      const told = answer(child);
      child.send(folder);
      return told;
    },
    kill,
  };
}

const linux = process.platform === 'linux';

describe('the lock of a data folder', () => {
  test('makes the folder and leaves one file, for this user only', () => {
    const folder = join(tempFolder(), 'a', 'b');
    const lock = lockDataFolder(folder);
    expect(readdirSync(folder)).toEqual(['rota.lock']);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, 'rota.lock')).mode & 0o777).toBe(0o600);
    const { pid, started } = JSON.parse(readFileSync(join(folder, 'rota.lock'), 'utf8'));
    expect(pid).toBe(process.pid);
    if (linux) expect(started).toMatch(/^[0-9a-f-]{36}\/\d+$/);
    lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test('is refused to a second owner in the same process, and given again when released', () => {
    const folder = tempFolder();
    const first = lockDataFolder(folder);
    expect(() => lockDataFolder(folder)).toThrow(`in use by this process (${process.pid})`);
    first.release();
    const second = lockDataFolder(folder);
    first.release();
    expect(readdirSync(folder)).toEqual(['rota.lock']);
    second.release();
  });

  test('is refused while another process lives, by its number, and taken over when that was killed', async () => {
    const folder = tempFolder();
    const owner = await contender();
    expect(await owner.lock(folder)).toBe('won');
    expect(() => lockDataFolder(folder)).toThrow(
      expect.objectContaining({
        code: 'invalid_config',
        message: expect.stringContaining(`the data folder ${folder} is in use by process ${owner.pid}`),
      }),
    );
    await owner.kill();
    lockDataFolder(folder).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test.runIf(linux)('is taken over when the number of its owner belongs to another process now', async () => {
    const folder = tempFolder();
    const started = 'another boot/123';
    writeFileSync(join(folder, 'rota.lock'), JSON.stringify({ pid: process.pid, started }));
    lockDataFolder(folder).release();
  });

  test.each(['', '{', 'null', '{"pid":"1"}', '{"pid":-1}'])('is taken over when its text is %j', (text) => {
    const folder = tempFolder();
    writeFileSync(join(folder, 'rota.lock'), text);
    lockDataFolder(folder);
    expect(JSON.parse(readFileSync(join(folder, 'rota.lock'), 'utf8')).pid).toBe(process.pid);
  });

  test('is taken over also when a starter died while taking it over', () => {
    const folder = tempFolder();
    const dead = JSON.stringify({ pid: process.pid, started: 'another boot/1' });
    for (const name of ['rota.lock', 'rota.lock.takeover', 'rota.lock.takeover.takeover']) {
      writeFileSync(join(folder, name), linux ? dead : '');
    }
    lockDataFolder(folder);
    expect(readdirSync(folder)).toEqual(['rota.lock']);
  });

  test('is refused where no folder can be', () => {
    const file = join(tempFolder(), 'file');
    writeFileSync(file, '');
    expect(() => lockDataFolder(file)).toThrow(expect.objectContaining({ code: 'invalid_config' }));
    expect(() => lockDataFolder(join(file, 'below'))).toThrow(/cannot be used/);
  });

  test('goes to exactly one of several processes that try at once, over a dead lock too', async () => {
    const contenders = await Promise.all(Array.from({ length: 4 }, contender));
    for (let round = 0; round < 40; round++) {
      const folder = tempFolder();
      if (round % 2 === 0) writeFileSync(join(folder, 'rota.lock'), '{"pid":4194305}');
      const told = await Promise.all(contenders.map((each) => each.lock(folder)));
      expect(told.filter((text) => text === 'won')).toHaveLength(1);
      expect(told.filter((text) => String(text).includes('is in use by process'))).toHaveLength(3);
      expect(readdirSync(folder)).toEqual(['rota.lock']);
    }
  });
});
