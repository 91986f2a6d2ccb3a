import { existsSync } from 'node:fs';
import { ensureProgram } from './system-program.js';

const NATS_SERVER = {
  name: 'nats-server',
  packages: { apt: 'nats-server', brew: 'nats-server' },
  extra: ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin'],
  byHand:
    'install it yourself (Debian or Ubuntu: "apt-get install nats-server"; macOS: "brew install nats-server"; else put the ' +
    'nats-server program on the PATH) or set ROTA_NATS=nats://host:4222 to use a server that runs elsewhere',
  // Debian starts the package as a service at once. Nobody asked for one, and it would take Rota's port.
  afterApt: async (privileged) => {
    if (existsSync('/run/systemd/system')) await privileged('systemctl', ['disable', '--now', 'nats-server']);
  },
};

/**
 * Finds nats-server, or installs it.
 * @param {import('./system-program.js').Machine} machine
 * @returns {Promise<string>} its full path
 */
export function ensureNatsServer(machine) {
  return ensureProgram(NATS_SERVER, machine);
}
