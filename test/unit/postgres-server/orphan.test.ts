import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { connected, ended } from './client.ts';

const PARENT = fileURLToPath(new URL('./orphan-parent.ts', import.meta.url));

let parent: ChildProcess | undefined;
afterEach(() => parent?.kill('SIGKILL'));

/** A server of another process, which leads a process group of its own. */
async function startElsewhere(): Promise<{ url: string; folder: string; killParent: () => void }> {
  const child = fork(PARENT, { detached: true });
  parent = child;
  const early = once(child, 'exit').then(() => {
    throw new Error('the process ended before it told about its server');
  });
  early.catch(() => {});
  const [{ url, logFile }] = await Promise.race([once(child, 'message'), early]);
  return { url, folder: dirname(logFile), killParent: () => process.kill(-Number(child.pid), 'SIGKILL') };
}

test('a server ends with the process that started it, also when its whole group is killed', async () => {
  const { url, folder, killParent } = await startElsewhere();
  const client = await connected(url);
  expect(existsSync(folder)).toBe(true);
  killParent();
  await ended(client);
  await expect.poll(() => existsSync(folder), { timeout: 30_000 }).toBe(false);
  await expect(connected(url)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('so does a frozen one', async () => {
  const { url, folder, killParent } = await startElsewhere();
  const client = await connected(url);
  parent?.send('freeze');
  await once(parent as ChildProcess, 'message'); // it was started above
  killParent();
  await ended(client);
  await expect.poll(() => existsSync(folder), { timeout: 30_000 }).toBe(false);
  await expect(connected(url)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});
