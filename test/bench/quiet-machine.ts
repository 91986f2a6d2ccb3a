import { execFile } from 'node:child_process';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/** A machine is quiet that used no more than this part of its cores for {@link LOOK_MS}. */
const BUSY_MAX = 0.08;
const LOOK_MS = 200;
/** It may never be, where something else runs. */
const WITHIN_MS = 3_000;

/**
 * Resolves when what was written is on the disk, and nothing much has run for a fifth of a second or it took 3 seconds: what
 * one system leaves to be done, as a database that cleans up behind its load, is no work of the one that is measured next.
 */
export async function quietMachine(): Promise<void> {
  // Where there is no such program the disk is left alone.
  await promisify(execFile)('sync').catch(() => {});
  const untilMs = performance.now() + WITHIN_MS;
  for (let before = coreTimes(); ; ) {
    await sleep(LOOK_MS);
    const after = coreTimes();
    const [busy, all] = [after.busy - before.busy, after.all - before.all];
    if (busy <= all * BUSY_MAX || performance.now() > untilMs) return;
    before = after;
  }
}

/** What all cores did so far, in milliseconds. */
function coreTimes(): { busy: number; all: number } {
  let [busy, all] = [0, 0];
  for (const { times } of cpus()) {
    const used = times.user + times.nice + times.sys + times.irq;
    busy += used;
    all += used + times.idle;
  }
  return { busy, all };
}
