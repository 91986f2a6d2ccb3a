import { ensureProgram } from './system-program.js';

const PYTHON = {
  name: 'python3',
  packages: { apt: 'python3', brew: 'python3' },
  extra: ['/usr/bin', '/usr/local/bin', '/opt/homebrew/bin'],
  byHand:
    'the tests run a worker that is written in it; install it yourself (Debian or Ubuntu: "apt-get install python3"; ' +
    'macOS: "brew install python3"; else put the python3 program on the PATH)',
};

/**
 * Finds Python 3, or installs it: the tests run a worker in another language.
 * @param {import('./system-program.js').Machine} machine
 * @returns {Promise<string>} its full path
 */
export function ensurePython(machine) {
  return ensureProgram(PYTHON, machine);
}
