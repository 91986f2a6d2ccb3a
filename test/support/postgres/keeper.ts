import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Account } from './programs.ts';

/**
 * Reads process ids, a line each (an empty one: none), until its input closes: then whoever wrote them is done, or dead.
 * The last one is stopped (a frozen one too; by force after 10 s), and the folder is removed.
 */
const SCRIPT = `
pid=
while read -r line; do pid=$line; done
if [ -n "$pid" ]; then
  kill -s "$2" "$pid" && kill -s CONT "$pid"
  tries=0
  while kill -0 "$pid" && [ $tries -lt 200 ]; do sleep 0.05; tries=$((tries + 1)); done
  kill -s KILL "$pid"
fi 2>/dev/null
rm -rf "$1"
`;

/**
 * Holds a server and its folder to the life of this process, however that ends. It is a process of its own, outside our
 * process group, so that a Ctrl-C or a kill of the group does not reach it.
 */
export class Keeper {
  /** Only for the server's account. */
  readonly folder: string;
  readonly #child: ChildProcess;

  /** @param options `signal` is what stops the server at once, by its name without SIG */
  constructor(options: { name: string; account: Account; signal: 'QUIT' | 'TERM' }) {
    const { name, account, signal } = options;
    this.folder = mkdtempSync(join(tmpdir(), `rota-${name}-`));
    if (account) chownSync(this.folder, account.uid, account.gid);
    this.#child = spawn('sh', ['-c', SCRIPT, 'keeper', this.folder, signal], {
      ...account,
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#child.stdin?.on('error', () => {}); // it was killed by hand: nothing is kept then
  }

  /** The server that runs now, or none. */
  keep(pid: number | undefined): void {
    this.#child.stdin?.write(`${pid ?? ''}\n`);
  }

  /** Stops what still runs and removes the folder. */
  async dispose(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = once(this.#child, 'exit');
      this.#child.stdin?.end();
      await gone;
    }
    rmSync(this.folder, { recursive: true, force: true }); // where the keeper itself was killed
  }
}
