import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts CPU in hundredths of a second. */
const MS_PER_TICK = 10;

interface Stat {
  parent: number;
  ticks: number;
}

/**
 * The CPU that processes and all that descend from them have used so far, in milliseconds, to 10; what ended children
 * used is in it. Unlike time, it does not grow with what else the machine does. NaN where there is no `/proc`.
 */
export function cpuMsOf(pids: readonly number[]): number {
  const stats = new Map<number, Stat>();
  try {
    for (const entry of readdirSync('/proc')) {
      const stat = /^\d+$/.test(entry) ? statOf(entry) : undefined;
      if (stat !== undefined) stats.set(Number(entry), stat);
    }
  } catch {
    return Number.NaN;
  }
  const belongs = (pid: number): boolean => {
    for (let at = pid; at > 1; at = stats.get(at)?.parent ?? 0) if (pids.includes(at)) return true;
    return false;
  };
  const ticks = [...stats].filter(([pid]) => belongs(pid)).map(([, stat]) => stat.ticks);
  return ticks.reduce((sum, each) => sum + each, 0) * MS_PER_TICK;
}

/** Undefined where the process has ended meanwhile. */
function statOf(pid: string): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name before may hold anything. After it: state, parent, … and as 12th to 15th the CPU of itself and of children.
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    return { parent: fields[1] ?? 0, ticks: fields.slice(11, 15).reduce((sum, each) => sum + each, 0) };
  } catch {
    return undefined;
  }
}
