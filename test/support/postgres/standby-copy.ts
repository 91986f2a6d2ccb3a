import { execFile } from 'node:child_process';
import { chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import type { Account } from './programs.ts';

const run = promisify(execFile);

/** What the copy of a running server's folder is made of. */
export interface StandbyCopy {
  /** The primary, as its superuser. */
  readonly adminUrl: string;
  readonly major: number;
  readonly account: Account;
  readonly from: string;
  /** Does not exist yet. */
  readonly to: string;
}

/**
 * Copies what is there but for the write-ahead log, which the standby fetches, and what is the primary's own. A file that
 * vanishes meanwhile is none that is needed; if one is, the standby does not start.
 */
const COPY = `
cp -R "$1" "$2" 2>/dev/null
cd "$2" && rm -rf pg_wal/* pg_replslot/* postmaster.pid postmaster.opts && chmod 700 .
`;

/**
 * Copies a running server's folder so that a standby can start on it: PostgreSQL's low-level backup, for not every
 * distribution of its programs has `pg_basebackup`.
 */
export async function copyForStandby({ adminUrl, major, account, from, to }: StandbyCopy): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    await client.query(
      major >= 15 ? "select pg_backup_start('standby', true)" : "select pg_start_backup('standby', true, false)",
    );
    await run('sh', ['-c', COPY, 'copy', from, to], { ...account, cwd: '/' });
    const stop = major >= 15 ? 'pg_backup_stop(false)' : 'pg_stop_backup(false, false)';
    const { rows } = await client.query<{ labelfile: string }>(`select labelfile from ${stop}`);
    for (const [name, text] of [
      ['backup_label', rows[0]?.labelfile ?? ''],
      ['standby.signal', ''],
    ] as const) {
      writeFileSync(join(to, name), text);
      if (account) chownSync(join(to, name), account.uid, account.gid);
    }
  } finally {
    await client.end();
  }
}
