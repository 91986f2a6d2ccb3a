import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const GONE_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 2;

interface Look {
  readonly pid: number;
  readonly parent: number;
  /** One letter, as in proc(5) and ps(1). */
  readonly state: string;
}

/** Sends a signal to a process and all its children. The process gets it first, so that it makes no more children. */
export function signalFamily(pid: number, signal: NodeJS.Signals): void {
  process.kill(pid, signal);
  const signalled = new Set([pid]);
  // Once more than there is news: a child may be made while the signal is on its way.
  for (let news = true; news; ) {
    const children = childrenOf(pid).filter((child) => !signalled.has(child));
    for (const child of children) {
      send(child, signal);
      signalled.add(child);
    }
    news = children.length > 0;
  }
}

/** Ends a process and all its children by SIGKILL. Resolves when nothing of them runs any more. */
export async function killFamily(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  const family = [...childrenOf(pid), pid];
  for (const member of family) send(member, 'SIGKILL');
  for (let waitedMs = 0; looks().some(({ pid: other }) => family.includes(other)); waitedMs += LOOK_EVERY_MS) {
    if (waitedMs > GONE_WITHIN_MS) throw new Error(`process ${pid} or a child of it survives SIGKILL`);
    await sleep(LOOK_EVERY_MS);
  }
}

function childrenOf(parent: number): number[] {
  return looks()
    .filter((look) => look.parent === parent)
    .map(({ pid }) => pid);
}

/** All processes that run; those that have exited and wait to be read (Z) do not. */
function looks(): Look[] {
  return (existsSync('/proc/self/stat') ? fromProc() : fromPs()).filter(({ state }) => !/^[ZX]/.test(state));
}

function fromProc(): Look[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const stat = statOf(name);
      // The second field, the name in parentheses, may hold anything.
      const [state = '', parent = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return stat === '' ? [] : [{ pid: Number(name), parent: Number(parent), state }];
    });
}

function statOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return ''; // it has gone meanwhile
  }
}

function fromPs(): Look[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat='], { encoding: 'utf8' }).trim().split('\n');
  return lines.map((line) => {
    const [pid = '', parent = '', state = ''] = line.trim().split(/\s+/);
    return { pid: Number(pid), parent: Number(parent), state };
  });
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
