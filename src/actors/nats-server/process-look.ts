import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * What a process number stands for. `ending`: it was killed or has exited, but may still hold its ports and files.
 * `gone`: nothing is left of it but perhaps an exit code that nobody has read.
 */
export type ProcessLook =
  | { readonly kind: 'gone' | 'ending' }
  | { readonly kind: 'runs'; readonly commandLine: string };

/** Looks at a process: in /proc where there is one, else with ps. */
export async function lookAtProcess(pid: number): Promise<ProcessLook> {
  if (!existsSync('/proc/self/stat')) return readPs(await orEmpty(runPs(pid)));
  // In this order: a process that ends between the two has the flag that says so.
  const commandLine = await orEmpty(readFile(`/proc/${pid}/cmdline`, 'utf8'));
  return readProc(await orEmpty(readFile(`/proc/${pid}/stat`, 'utf8')), commandLine);
}

/** PF_EXITING in the kernel's include/linux/sched.h. */
const EXITING_FLAG = 0x4;

/**
 * Reads /proc/<pid>/stat (empty when there is none) and then cmdline, see proc(5). The command line of a dying process
 * is empty before its sockets are closed; they are when it is a zombie without other threads.
 */
export function readProc(stat: string, commandLine: string): ProcessLook {
  if (stat === '') return { kind: 'gone' };
  // The second field, the name in parentheses, may hold anything; the third is the state, 9 the flags, 20 the threads.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ended = /^[ZX]/.test(fields[0] ?? '');
  if (ended && Number(fields[17]) <= 1) return { kind: 'gone' };
  if (ended || (Number(fields[6]) & EXITING_FLAG) !== 0) return { kind: 'ending' };
  return { kind: 'runs', commandLine: commandLine.replace(/\0$/, '').replaceAll('\0', ' ') };
}

/** Reads what `ps -o stat=,args=` prints of one process: nothing when there is none, `(name)` while it ends. */
export function readPs(text: string): ProcessLook {
  const match = /^\s*(\S+)\s*(.*?)\s*$/.exec(text);
  if (!match || match[1]?.startsWith('Z')) return { kind: 'gone' };
  const commandLine = match[2] ?? '';
  return /^\(.*\)$/.test(commandLine) ? { kind: 'ending' } : { kind: 'runs', commandLine };
}

async function runPs(pid: number): Promise<string> {
  return (await run('ps', ['-ww', '-p', String(pid), '-o', 'stat=,args='])).stdout;
}

/** No such process is an error of the file system or of ps. */
async function orEmpty(text: Promise<string>): Promise<string> {
  return await text.catch(() => '');
}
