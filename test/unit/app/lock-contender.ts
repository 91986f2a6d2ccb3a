import { lockDataFolder } from '../../../src/app/data-lock.ts';

// Told a folder, it tries to lock it and tells how that went. It ends when its parent is gone.
process.on('message', (folder: string) => {
  try {
    lockDataFolder(folder);
    process.send?.('won');
  } catch (error) {
    process.send?.(error instanceof Error ? error.message : String(error));
  }
});
process.on('disconnect', () => process.exit());
process.send?.('ready');
