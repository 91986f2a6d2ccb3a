import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { assert } from '../../../src/kernel/error.ts';
import { systemRandom } from '../../../src/kernel/identity.ts';
import type { JobStore } from '../../../src/store/job-store.ts';
import { openSqliteStore, type SqliteStoreOptions } from '../../../src/store/sqlite/sqlite-store.ts';

/** A folder for one store, removed at the end with all that was opened there. */
export class StoreFolder {
  readonly folder = mkdtempSync(join(tmpdir(), 'rota-store-'));
  readonly path = join(this.folder, 'store.db');
  readonly #stores: JobStore[] = [];
  readonly #children: ChildProcess[] = [];

  open(options: Partial<SqliteStoreOptions> = {}): JobStore {
    const store = openSqliteStore({ path: this.path, random: systemRandom, ownerWaitMs: 0, ...options });
    this.#stores.push(store);
    return store;
  }

  /** Starts `store-child.ts` on this store in a process of its own; its lines come as they are printed. */
  child(task: 'hold' | 'insert' | 'work'): { process: ChildProcess; lines: AsyncIterableIterator<string> } {
    const program = fileURLToPath(new URL('store-child.ts', import.meta.url));
    const child = spawn(process.execPath, [program, this.path, task], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#children.push(child);
    assert(child.stdout !== null, 'the output is a pipe');
    return { process: child, lines: createInterface(child.stdout)[Symbol.asyncIterator]() };
  }

  async dispose(): Promise<void> {
    for (const child of this.#children) await killed(child);
    for (const store of this.#stores) await store.close();
    rmSync(this.folder, { recursive: true });
  }
}

/** Kills a process as hard as can be and waits for its end. */
export async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}
