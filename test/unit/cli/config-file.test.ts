import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { configPath, importConfig } from '../../../src/cli/config-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'rota-config-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

test('the flag beats the environment, which beats the usual place; all from the working folder', () => {
  const world = { env: { ROTA_CONFIG: 'env.ts' }, workingFolder: '/w' };
  expect(configPath({ config: 'flag.ts' }, world)).toBe('/w/flag.ts');
  expect(configPath({}, world)).toBe('/w/env.ts');
  expect(configPath({}, { env: { ROTA_CONFIG: '' }, workingFolder: '/w' })).toBe('/w/config/scheduler.ts');
  expect(configPath({ config: '/abs.ts' }, world)).toBe('/abs.ts');
});

describe('a config file', () => {
  test('is imported with its folder', async () => {
    const path = file('good.mjs', 'export default { queues: { default: 1 } };');
    expect(await importConfig(path)).toEqual({ path, folder, config: { queues: { default: 1 } } });
  });

  test.each([
    ['is missing', undefined, 'there is no config file'],
    ['has no default export', 'export const a = 1;', 'has no default export'],
    ['throws', 'export default missing;', 'cannot be loaded: missing is not defined'],
    ['imports what is not there', 'import "./nowhere.mjs"; export default {};', 'cannot be loaded: Cannot find module'],
  ])('that %s is named with what is wrong', async (what, text, message) => {
    const name = `${what.replaceAll(' ', '-')}.mjs`;
    const path = text === undefined ? join(folder, name) : file(name, text);
    const refused = importConfig(path);
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toMatchObject({ code: 'invalid_config', message: expect.stringContaining(path) });
  });
});
