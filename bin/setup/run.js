import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/** What setup refuses with: one sentence for a person. */
export class SetupError extends Error {}

/** How much of a command's output is kept, from its end. */
const OUTPUT_CHARACTERS_MAX = 65_536;
/** A daemon that a package starts may hold the output open; after the exit it is waited for no longer than this. */
const CLOSE_GRACE_MS = 500;

/**
 * Runs a command without input and keeps what it writes, so that only our own lines appear. A signal to this process
 * is passed on, and this process ends once the command has: nothing goes on working behind a released lock.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: Record<string, string | undefined>, uid?: number, gid?: number,
 *   onChild?: (pid: number) => void }} [options] `uid` and `gid`: the account to run it as, for root only
 * @returns {Promise<{ code: number, output: string }>} never rejects; a command that is missing answers code 127
 */
export function run(command, args, { cwd, env = process.env, uid, gid, onChild } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env, uid, gid, stdio: ['ignore', 'pipe', 'pipe'] });
    if (child.pid !== undefined) onChild?.(child.pid);
    let output = '';
    const keep = (chunk) => {
      output = (output + chunk).slice(-OUTPUT_CHARACTERS_MAX);
    };
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', keep);
    const release = passSignals(child);
    const finish = (code) => {
      child.stdout.destroy();
      child.stderr.destroy();
      release();
      resolve({ code, output });
    };
    child.once('error', (error) => {
      output += error.message;
      finish(127);
    });
    child.once('exit', (code) => {
      const timer = setTimeout(() => finish(code ?? 1), CLOSE_GRACE_MS);
      child.once('close', () => {
        clearTimeout(timer);
        finish(code ?? 1);
      });
    });
  });
}

function passSignals(child) {
  let got;
  const listeners = ['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => {
    const listener = () => {
      got = signal;
      child.kill(signal);
    };
    process.on(signal, listener);
    return () => process.removeListener(signal, listener);
  });
  return () => {
    for (const remove of listeners) remove();
    if (got) process.exit(128 + constants.signals[got]);
  };
}

/**
 * One sentence out of what npm or apt wrote: its first own complaint, without the address of any host.
 * @param {string} output
 */
export function reasonIn(output) {
  const network = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH)\b/.exec(output);
  if (network) return `the package registry cannot be reached (${network[1]})`;
  const lines = output.split('\n').map((line) => line.trim());
  const complaints = lines.filter((line) => /^(npm (error|ERR!)|E:|Error:)/.test(line));
  const said = complaints
    .map((line) => line.replace(/^(npm (error|ERR!)|E:|Error:)\s*/, ''))
    .filter((line) => line !== '' && !/^(code|errno|syscall|path|A complete log)\b/.test(line));
  const reason = said[0] ?? lines.filter((line) => line !== '').pop() ?? 'it said nothing';
  return reason.replace(/\b[a-z][a-z0-9+.-]*:\/\/\S+/gi, '(address)').slice(0, 300);
}
