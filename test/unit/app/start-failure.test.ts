import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { start } from '../../../src/app/start.ts';
import { type Logger, silentLogger } from '../../../src/kernel/log.ts';

// What is wrong with the place of a node is told with that place, and with the setting to look at.

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rota-start-failure-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const NOWHERE = 'nats://127.0.0.1:1';
const config = { queues: { default: 1 } };

test('a store in a folder that is not there is told with its path', async () => {
  const path = join(folder, 'missing', 'rota.db');
  const given = { nats: NOWHERE, store: `sqlite:${path}`, data: join(folder, 'data'), logger: silentLogger };
  await expect(start(config, given)).rejects.toThrow(
    `the node could not start: the store ${path} cannot be opened: unable to open database file`,
  );
});

test('a slip in the queues is warned of, and a node without queues has none to drain', async () => {
  const warnings: string[] = [];
  const given = { nats: NOWHERE, store: 'sqlite::memory:', data: join(folder, 'other'), node: 'keeper' };
  const warn = (_fields: object, text: string): void => void warnings.push(text);
  const logger: Logger = { ...silentLogger, warn, child: () => logger };
  const rota = await start(config, { ...given, roles: 'store', queues: 'default:1,defualt:2', logger });
  await rota.stop();
  expect(warnings).toContain('queues run here that the config does not name');
  expect(warnings).not.toContain('a part of the queue could not be drained');
});

test('a data folder that is a file is told with the setting', async () => {
  const data = join(folder, 'file');
  writeFileSync(data, '');
  await expect(start(config, { nats: NOWHERE, data })).rejects.toMatchObject({
    code: 'invalid_config',
    issues: [{ path: 'settings.data', message: expect.stringContaining('is no folder that can be used') }],
  });
});
