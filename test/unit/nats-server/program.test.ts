import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findServerProgram } from '../../../src/actors/nats-server/program.ts';
import { fakeServer, tempFolder } from './world.ts';

describe('the search for nats-server', () => {
  test('takes the first program on the PATH and reads its version', async () => {
    const empty = tempFolder();
    mkdirSync(join(empty, 'nats-server')); // a folder of that name is no program
    const first = fakeServer('nats-server: v2.10.3');
    const second = fakeServer('nats-server: v2.11.0');
    const path = [empty, dirname(first), dirname(second)].join(':');
    expect(await findServerProgram(undefined, path)).toEqual({ command: first, version: '2.10.3' });
  });

  test('finds where packages put it when the PATH lacks it', async () => {
    expect((await findServerProgram('nats-server', '')).command).toMatch(/^\/.*\/nats-server$/);
  });

  test('says how to get one', async () => {
    for (const name of ['nats-server-that-is-not', '/nowhere/nats-server']) {
      const search = findServerProgram(name, tempFolder());
      await expect(search).rejects.toMatchObject({ code: 'invalid_config' });
      await expect(search).rejects.toThrow(/not found.*node bin\/setup\.js.*apt-get install.*brew install/);
    }
  });

  test('refuses one that is too old, with both versions', async () => {
    const search = findServerProgram(fakeServer('nats-server: v2.9.3'));
    await expect(search).rejects.toThrow(/is nats-server 2\.9\.3; Rota needs 2\.9\.4 or later/);
    await expect(findServerProgram(fakeServer('nats-server: v2.9.4'))).resolves.toMatchObject({ version: '2.9.4' });
  });

  test('refuses a program that is no nats-server', async () => {
    await expect(findServerProgram(fakeServer('hello'))).rejects.toThrow(/tells no version/);
    const failing = findServerProgram(fakeServer('nats-server: v2.10.0', 3));
    await expect(failing).rejects.toMatchObject({ code: 'invalid_config', message: /--version failed/ });
  });
});
