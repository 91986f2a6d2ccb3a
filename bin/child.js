// Plain JavaScript that old Nodes run too: the launcher needs it to hand over to a newer one.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { isatty } from 'node:tty';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Whether a signal that this process got must be sent on to its child. A terminal gives Ctrl-C and its hang-up to
 * every process of the group, so the child has those already; a second one would make it stop at once.
 * @param {string} signal
 * @param {boolean} onTerminal
 */
export function forwards(signal, onTerminal) {
  return signal === 'SIGTERM' || !onTerminal;
}

/**
 * Runs a command on this process's own input and output until it ends, and passes signals on to it.
 * @param {string} command
 * @param {string[]} args
 * @param {import('node:child_process').SpawnOptions} [options]
 * @returns {Promise<{ code: number, signal: NodeJS.Signals | null, stopped: boolean }>} `code` is 128 + n for signal n;
 *   `stopped` tells that this process was asked to stop meanwhile
 */
export function runAttached(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit', ...options });
    const onTerminal = isatty(0) || isatty(1) || isatty(2);
    let stopped = false;
    const listeners = SIGNALS.map((signal) => {
      const listener = () => {
        stopped = true;
        if (forwards(signal, onTerminal)) child.kill(signal);
      };
      process.on(signal, listener);
      return () => process.removeListener(signal, listener);
    });
    const unlisten = () => {
      for (const remove of listeners) remove();
    };
    child.once('error', (error) => {
      unlisten();
      reject(error);
    });
    child.once('exit', (code, signal) => {
      unlisten();
      resolve({ code: signal ? 128 + (constants.signals[signal] ?? 0) : (code ?? 1), signal, stopped });
    });
  });
}

/**
 * Ends this process the way its child ended: by the same signal, or with the same exit code.
 * @param {{ code: number, signal: NodeJS.Signals | null }} ended
 */
export function endLike(ended) {
  process.exitCode = ended.code;
  if (ended.signal) process.kill(process.pid, ended.signal);
}
