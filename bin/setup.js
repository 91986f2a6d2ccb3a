// Gives a fresh machine what Rota needs. Plain JavaScript without dependencies, so that Node 18 and 20 run it too.
import { existsSync, realpathSync, rmSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dependenciesReady, installDependencies } from './setup/dependencies.js';
import { writeDoors } from './setup/doors.js';
import { withLock } from './setup/lock.js';
import { ensureNatsServer } from './setup/nats-server.js';
import { ensurePgbouncer } from './setup/pgbouncer.js';
import { ensurePostgres } from './setup/postgres.js';
import { ensurePython } from './setup/python.js';
import { SetupError } from './setup/run.js';

const USAGE = 'node bin/setup.js [--tests | --doors | --pack]';

/**
 * The steps of each way to call setup.
 * - none: what `npm start` needs
 * - `--tests`: the same, nats-server even where ROTA_NATS names another one, python3 for a worker that is written in it,
 *   and PostgreSQL with a pooler
 * - `--doors`: only the stubs in dist/, and nothing else in there
 * - `--pack`: what compiling needs, and an empty dist/, so that no stale file ships
 * @param {string[]} args
 */
export function stepsOf(args) {
  const [mode = '', ...rest] = args;
  if (rest.length > 0 || !['', '--tests', '--doors', '--pack'].includes(mode)) {
    throw new SetupError(`"${args.join(' ')}" is not understood; use ${USAGE}`);
  }
  return {
    install: mode !== '--doors',
    nats: mode === '--tests' ? 'always' : mode === '' ? 'unless-given' : 'never',
    python: mode === '--tests',
    postgres: mode === '--tests',
    doors: mode !== '--pack',
    clean: mode === '--doors' || mode === '--pack',
  };
}

/**
 * Setup works on a checkout only: an installed package has no source and must be left alone.
 * @param {string} root
 */
export function isCheckout(root) {
  return !root.split(sep).includes('node_modules') && existsSync(join(root, 'src')) && lockfileExists(root);
}

const lockfileExists = (root) => existsSync(join(root, 'package-lock.json'));

async function setup(root, args) {
  const steps = stepsOf(args);
  if (!isCheckout(root)) return;
  const say = (line) => process.stdout.write(`setup: ${line}\n`);
  if (steps.install && !dependenciesReady(root)) {
    await withLock(root, say, async (lock) => {
      if (!dependenciesReady(root)) await installDependencies(root, { say, onChild: lock.addProcess });
    });
  }
  if (steps.clean) rmSync(join(root, 'dist'), { recursive: true, force: true });
  if (steps.doors && writeDoors(root) && !steps.clean) say('wrote the doors of this checkout to dist/');
  if (steps.nats === 'always' || (steps.nats === 'unless-given' && !givesNats(process.env))) {
    await ensureNatsServer({ say });
  }
  if (steps.python) await ensurePython({ say });
  if (steps.postgres) {
    await ensurePostgres({ root });
    await ensurePgbouncer({ say });
  }
}

/** A NATS server of the operator's own needs no program here. */
export function givesNats(env) {
  const nats = env.ROTA_NATS ?? '';
  return nats !== '' && !nats.startsWith('embedded:');
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    await setup(dirname(dirname(fileURLToPath(import.meta.url))), process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`setup: ${error instanceof SetupError ? error.message : (error?.stack ?? error)}\n`);
    process.exitCode = 1;
  }
}
