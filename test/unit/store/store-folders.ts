import { afterEach, beforeEach } from 'vitest';
import { StoreFolder } from './store-folder.ts';

/** Makes folders for stores that are removed at the end of the test. */
export function useStoreFolders(): () => StoreFolder {
  let folders: StoreFolder[] = [];
  beforeEach(() => {
    folders = [];
  });
  afterEach(async () => {
    for (const folder of folders) await folder.dispose();
  });
  return () => {
    const folder = new StoreFolder();
    folders.push(folder);
    return folder;
  };
}
