import { existsSync } from 'node:fs';
import { ensureProgram } from './system-program.js';

/** Debian puts it where an ordinary user's PATH does not look. */
export const PGBOUNCER_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin'];

const PGBOUNCER = {
  name: 'pgbouncer',
  packages: { apt: 'pgbouncer', brew: 'pgbouncer' },
  extra: PGBOUNCER_FOLDERS,
  byHand:
    'the tests run PostgreSQL behind it too; install it yourself (Debian or Ubuntu: "apt-get install pgbouncer"; macOS: ' +
    '"brew install pgbouncer"; else put the pgbouncer program on the PATH)',
  // Debian starts the package as a service at once. Nobody asked for one.
  afterApt: async (privileged) => {
    if (existsSync('/run/systemd/system')) await privileged('systemctl', ['disable', '--now', 'pgbouncer']);
  },
};

/**
 * Finds pgbouncer, or installs it: the tests use the PostgreSQL store through a pooler.
 * @param {import('./system-program.js').Machine} machine
 * @returns {Promise<string>} its full path
 */
export function ensurePgbouncer(machine) {
  return ensureProgram(PGBOUNCER, machine);
}
