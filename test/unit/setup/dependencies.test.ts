import { delimiter } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadBin } from './load-bin.ts';

interface Found {
  stamp?: { lock: string; node: string };
  hash: string;
  node?: string;
  installedText?: string;
  lockText: string;
}
interface Dependencies {
  decideInstall(found: Found): 'ready' | 'adopt' | 'install';
  lockHash(lockText: string): string;
  nodeFits(text: string): boolean;
  npmEnvironment(env: Record<string, string>, root: string): Record<string, string>;
}
const { decideInstall, lockHash, nodeFits, npmEnvironment } = await loadBin<Dependencies>('setup/dependencies.js');

const entry = (version: string, more: object = {}) => ({ version, integrity: `sha512-${version}`, ...more });
const lockText = JSON.stringify({
  packages: { '': {}, 'node_modules/a': entry('1.0.0'), 'node_modules/a-win32': entry('1.0.0', { optional: true }) },
});
const installed = (packages: object): string => JSON.stringify({ packages });
const hash = lockHash(lockText);

describe('what is done about node_modules', () => {
  test('nothing, when the stamp fits the lockfile and the Node that was seen to run is there', () => {
    expect(decideInstall({ stamp: { lock: hash, node: '5 6' }, hash, node: '5 6', lockText })).toBe('ready');
  });

  test('only Node is looked at, when it changed or vanished', () => {
    expect(decideInstall({ stamp: { lock: hash, node: '5 6' }, hash, node: '5 7', lockText })).toBe('adopt');
    expect(decideInstall({ stamp: { lock: hash, node: '5 6' }, hash, lockText })).toBe('adopt');
  });

  test('an install by hand is adopted when npm recorded what the lockfile says', () => {
    const installedText = installed({ 'node_modules/a': entry('1.0.0') });
    expect(decideInstall({ hash, installedText, lockText })).toBe('adopt');
  });

  test.each([
    ['nothing is there', undefined],
    ['another version is there', installed({ 'node_modules/a': entry('1.0.1') })],
    ['a package is missing', installed({})],
    [
      'a package is there that the lockfile does not know',
      installed({ 'node_modules/a': entry('1.0.0'), 'node_modules/b': entry('1.0.0') }),
    ],
    ["npm's record cannot be read", '{'],
  ])('it is installed when %s', (_, installedText) => {
    expect(decideInstall({ hash, lockText, ...(installedText === undefined ? {} : { installedText }) })).toBe(
      'install',
    );
  });

  test('a stamp of another lockfile counts for nothing', () => {
    expect(lockHash(`${lockText} `)).not.toBe(hash);
    expect(decideInstall({ stamp: { lock: 'other', node: '5 6' }, hash, node: '5 6', lockText })).toBe('install');
  });
});

test.each([
  ['v24.0.0\n', true],
  ['v26.1.0', true],
  ['v23.11.1', false],
  ['v8.0.0', false],
  ['', false],
  ['cannot execute binary file', false],
])('a Node that answers %j fits: %s', (text, fits) => expect(nodeFits(text)).toBe(fits));

test('npm does not see the Node that it is about to remove, nor what an outer npm was told', () => {
  const path = ['/work/node_modules/.bin', '/usr/bin', '/work/node_modules', '/workshop/node_modules/.bin'].join(
    delimiter,
  );
  const env = npmEnvironment(
    { PATH: path, npm_config_dry_run: 'true', npm_config_global: 'true', HOME: '/home' },
    '/work',
  );
  expect(env).toEqual({ PATH: ['/usr/bin', '/workshop/node_modules/.bin'].join(delimiter), HOME: '/home' });
});
