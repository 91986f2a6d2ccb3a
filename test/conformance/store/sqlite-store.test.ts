import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRandom } from '../../../src/kernel/identity.ts';
import { openSqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { describeStore } from './store-conformance.ts';

describeStore('SQLite in memory', async () => ({
  open: async () => openSqliteStore({ path: ':memory:', random: systemRandom }),
  dispose: async () => {},
}));

describeStore('SQLite whose lines of partitions are set aside from three jobs on', async () => ({
  open: async () => openSqliteStore({ path: ':memory:', random: systemRandom, linedMax: 3 }),
  dispose: async () => {},
}));

describeStore('SQLite in a file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'rota-store-'));
  return {
    open: async () => openSqliteStore({ path: join(folder, 'store.db'), random: systemRandom }),
    dispose: async () => rmSync(folder, { recursive: true }),
  };
});
