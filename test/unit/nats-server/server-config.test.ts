import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  prepareServerFiles,
  type ServerFiles,
  serverConfigText,
  writeServerConfig,
} from '../../../src/actors/nats-server/server-config.ts';
import { tempFolder } from './world.ts';

const files: ServerFiles = {
  folder: '/data/nats',
  configFile: '/data/nats/nats-server.conf',
  pidFile: '/data/nats/nats-server.pid',
  storeFolder: '/data/nats/jetstream',
};
const mode = (path: string): number => statSync(path).mode & 0o777;

describe('the config file of the embedded server', () => {
  test('says all that it needs and opens nothing else', () => {
    expect(serverConfigText({ address: '127.0.0.1', port: 4222, version: '2.10.0', files }).split('\n')).toEqual([
      '# Written by Rota at each start: changes are lost.',
      'host: "127.0.0.1"',
      'port: 4222',
      'server_name: "rota-embedded"',
      'max_payload: 1048576',
      'pid_file: "/data/nats/nats-server.pid"',
      'jetstream {',
      '  store_dir: "/data/nats/jetstream"',
      '  sync_interval: always',
      '}',
      '',
    ]);
  });

  test.each([
    ['2.9.4', false],
    ['2.9.25', false],
    ['2.10.0-RC.1', false],
    ['2.10.0', true],
    ['2.12.1', true],
  ])('for version %s it syncs each write: %s', (version, synced) => {
    const text = serverConfigText({ address: '127.0.0.1', port: 4222, version, files });
    expect(text.includes('sync_interval')).toBe(synced);
  });

  test.each(['a b', 'quote"s \\ and $HOME', "it's", 'größe 数', 'tab\tline\nbell\u0007', 'hash # brace }'])(
    'a real server understands the folder %j',
    (name) => {
      const ours = prepareServerFiles(join(tempFolder(), name));
      writeServerConfig({ address: '127.0.0.1', port: 4222, version: '2.9.10', files: ours });
      const tried = spawnSync('nats-server', ['-t', '-c', ours.configFile], { encoding: 'utf8' });
      expect(tried.stderr).toContain('is valid');
      expect(tried.status).toBe(0);
    },
  );

  test('is for this user only, whatever was there', () => {
    const data = tempFolder();
    mkdirSync(join(data, 'nats'), { mode: 0o755 });
    chmodSync(join(data, 'nats'), 0o755);
    for (const name of ['nats-server.conf', 'nats-server.conf.new']) {
      writeFileSync(join(data, 'nats', name), 'old');
      chmodSync(join(data, 'nats', name), 0o644);
    }
    const ours = prepareServerFiles(data);
    writeServerConfig({ address: '::1', port: 1, version: '2.9.10', files: ours });
    expect(mode(ours.folder)).toBe(0o700);
    expect(mode(ours.configFile)).toBe(0o600);
    expect(readFileSync(ours.configFile, 'utf8')).toContain('host: "::1"');
    expect(readdirSync(ours.folder)).toEqual(['nats-server.conf']);
  });

  test('has one path however the data folder is named', () => {
    const data = tempFolder();
    const link = join(tempFolder(), 'link');
    symlinkSync(data, link);
    expect(prepareServerFiles(link)).toEqual(prepareServerFiles(data));
  });

  test('refuses a data folder that cannot be one', () => {
    const file = join(tempFolder(), 'file');
    writeFileSync(file, '');
    expect(() => prepareServerFiles(file)).toThrow(expect.objectContaining({ code: 'invalid_config' }));
  });
});
