import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Finding } from '../../src/app/finding.ts';
import { readSettings } from '../../src/app/settings.ts';
import { examineStore } from '../../src/app/store-findings.ts';

/** What an examination finds of a store: by its address, or the file of a data folder that is not there. */
export async function storeFinding(store: string): Promise<Finding> {
  const data = join(tmpdir(), 'rota-doctor-nothing');
  const found = await examineStore(readSettings({ given: { data, store }, env: {}, config: {} }));
  const finding = found.find(({ what }) => what === 'store');
  if (finding === undefined) throw new Error('the store was not examined');
  return finding;
}
