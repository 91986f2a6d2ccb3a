import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { examine, examineNode, type Finding } from '../../../src/app/doctor.ts';
import { versionFinding } from '../../../src/app/nats-findings.ts';
import { schemaVersion } from '../../../src/app/store-findings.ts';
import { importConfig } from '../../../src/cli/config-file.ts';
import { findingText } from '../../../src/cli/doctor.ts';
import { plain } from '../../../src/cli/output.ts';
import { systemClock } from '../../../src/kernel/clock.ts';
import { openDatabase } from '../../../src/store/sqlite/database.ts';
import { MIGRATIONS } from '../../../src/store/sqlite/migrate.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rota-doctor-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

async function findings(given: object = {}, config = 'export default {};'): Promise<Record<string, Finding>> {
  const configPath = write('config.mjs', config);
  const found = await examine({
    given: { nats: 'embedded://127.0.0.1:0', data: join(folder, 'data'), ...given },
    env: {},
    clock: systemClock,
    configPath,
    importConfig: () => importConfig(configPath),
  });
  return Object.fromEntries(found.map((finding) => [finding.what, finding]));
}

describe('an examination', () => {
  test('finds nothing wrong on a machine that is ready, and changes nothing there', async () => {
    const found = await findings();
    expect(Object.values(found).filter(({ state }) => state === 'wrong')).toEqual([]);
    expect(found.store?.found).toContain('will be made');
    expect(found['data folder']?.found).toContain('will be made');
    expect(Object.keys(found)).toEqual([
      'Node',
      'config',
      'nats-server',
      'NATS',
      'JetStream',
      'Rota',
      'data folder',
      'store',
    ]);
  });

  test('tells every mistake of a config and goes on', async () => {
    const found = await findings({}, 'export default { queues: { "a b": 1, c: 0 } };');
    expect(found.config?.state).toBe('wrong');
    expect(found.config?.found).toMatch(/queues\.a b is no queue name.*\n.*queues\.c must be/);
    expect(found.store?.state).toBe('ok');
  });

  test('tells settings that are wrong and stops there', async () => {
    const found = await findings({ lease: 'x' });
    expect(found.settings).toMatchObject({ state: 'wrong' });
    expect(found.store).toBeUndefined();
  });

  test('finds who is on the port', async () => {
    const server = createServer((socket) => socket.end('HTTP/1.1 400\r\n\r\n'));
    const port = await new Promise<number>((resolve) => {
      server.listen(0, '127.0.0.1', () => {
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
    try {
      const { NATS, JetStream } = await findings({ nats: `embedded://127.0.0.1:${port}` });
      expect(NATS).toMatchObject({ state: 'wrong', remedy: expect.stringContaining('embedded://127.0.0.1:PORT') });
      expect(JetStream?.state).toBe('unchecked');
    } finally {
      server.close();
    }
  });

  test('finds that an embedded server would not be on this machine', async () => {
    expect((await findings({ nats: 'embedded://10.1.2.3:4222' })).NATS?.state).toBe('wrong');
  });

  test('finds a store that is ready, too new, or none', async () => {
    mkdirSync(join(folder, 'data'));
    const path = join(folder, 'data', 'rota.db');
    openDatabase({ path }).close();
    expect(schemaVersion(path)).toBe(MIGRATIONS.length);
    expect((await findings()).store).toMatchObject({ state: 'ok', found: `${path}, schema ${MIGRATIONS.length}` });
    const db = openDatabase({ path });
    db.exec('pragma user_version = 999');
    db.close();
    expect((await findings()).store).toMatchObject({ state: 'wrong', remedy: expect.stringContaining('update Rota') });
    writeFileSync(path, 'something else, and long enough to have a header '.repeat(10));
    expect((await findings()).store).toMatchObject({ state: 'wrong', found: `${path} is no SQLite database` });
  });

  test('finds that a node in memory forgets, and that a folder is a file', async () => {
    expect((await findings({ store: 'sqlite::memory:' })).store?.state).toBe('warning');
    const file = write('file', '');
    expect((await findings({ data: file }))['data folder']).toMatchObject({ state: 'wrong' });
    expect((await findings({ data: join(file, 'below') })).store?.state).toBe('wrong');
  });
});

test.each([
  ['23.11.0', 'wrong'],
  ['24.0.0', 'ok'],
  ['26.1.0', 'ok'],
])('Node %s is %s', (version, state) => expect(examineNode(version).state).toBe(state));

test.each([
  ['2.9.3', 'wrong'],
  ['2.9.4', 'warning'],
  ['2.10.0', 'ok'],
])('nats-server %s is %s', (version, state) => expect(versionFinding(version, 'x').state).toBe(state));

test('a finding is a line, with details and the remedy below', () => {
  const text = findingText({ what: 'store', state: 'wrong', found: 'broken:\n  here', remedy: 'mend it' }, plain);
  expect(text).toBe('✗ store        broken:\n                 here\n               → mend it');
});
