import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect } from 'rota/client';
import { freePort } from '../support/free-port.ts';
import { cpuMsOf } from './process-cpu.ts';
import { STORE_WORK } from './raw-sqlite.ts';

const IDLE_QUEUES = 100;
const IDLE_MS = 40_000;
const LAUNCHER = fileURLToPath(new URL('../../bin/rota.js', import.meta.url));
const START_CONFIG = fileURLToPath(new URL('start-config.ts', import.meta.url));
const STEADY_CONFIG = fileURLToPath(new URL('steady-config.ts', import.meta.url));
/** How often memory is looked at, in milliseconds, and how long a node may take to be warm. */
const LOOK_MS = 5_000;
const WARM_MS = 60_000;

/** A node in a folder of its own, which goes with it. */
async function withNode<T>(queues: string, use: (node: ChildProcess) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'rota-bench-'));
  const node = fork(new URL('bench-node.ts', import.meta.url), [String(await freePort()), folder, queues]);
  try {
    await once(node, 'message');
    return await use(node);
  } finally {
    const exited = once(node, 'exit');
    node.kill('SIGTERM');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The share of one core that a node with 100 idle queues takes, its nats-server included, in percent. */
export async function idleCost(): Promise<{ node: number; natsServer: number }> {
  const queues = Array.from({ length: IDLE_QUEUES }, (_, index) => `idle-${index}:10`).join(',');
  return withNode(queues, async (node) => {
    // What a start leaves to do is no part of rest.
    await wait(10_000);
    const before = [cpuMsOf([node.pid ?? 0]), ownCpuMs(node)] as const;
    await wait(IDLE_MS);
    const [all, own] = [cpuMsOf([node.pid ?? 0]) - before[0], ownCpuMs(node) - before[1]];
    const percent = (ms: number): number => Number(((ms * 100) / IDLE_MS).toFixed(2));
    return { node: percent(own), natsServer: percent(all - own) };
  });
}

/** The CPU of a process without its children, in milliseconds. */
function ownCpuMs(node: ChildProcess): number {
  const text = readFileSync(`/proc/${node.pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** From starting the program to the start of its first job, in milliseconds: on a fresh folder, then on that again. */
export async function startTimes(): Promise<{ freshMs: number; againMs: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'rota-bench-'));
  try {
    const port = await freePort();
    return { freshMs: await startTime(folder, port), againMs: await startTime(folder, port) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function startTime(folder: string, port: number): Promise<number> {
  const beganMs = performance.now();
  return withStarted({ config: START_CONFIG, folder, port, until: '"first job"' }, async () =>
    Math.round(performance.now() - beganMs),
  );
}

/** A node as `rota start` starts it, from the line of its log that has `until` in it. */
async function withStarted<T>(
  { config, folder, port, until }: { config: string; folder: string; port: number; until: string },
  use: (node: ChildProcess) => Promise<T>,
): Promise<T> {
  const given = ['--config', config, '--data', folder, '--nats', `embedded://127.0.0.1:${port}`];
  const node = spawn(process.execPath, [LAUNCHER, 'start', ...given], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(node, 'exit');
  const lines = createInterface({ input: node.stdout });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  lines.on('line', (line) => {
    if (line.includes(until)) resolve();
  });
  lines.once('close', () => reject(new Error(`the node ended before it said ${until}`)));
  try {
    await promise;
    return await use(node);
  } finally {
    node.kill('SIGTERM');
    await exited;
  }
}

/** A node's memory (resident, in MiB) under full load: after it is warm, at the end, and at most. */
export async function memoryUnderLoad(
  minutes: number,
): Promise<{ warm: number; end: number; most: number; jobs: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'rota-bench-'));
  const port = await freePort();
  const started = withStarted({ config: STEADY_CONFIG, folder, port, until: '"started"' }, async (node) => {
    const client = await connect({ servers: `nats://127.0.0.1:${port}` });
    const batch = Array.from({ length: STORE_WORK.jobs / 4 }, () => STORE_WORK.args);
    const untilMs = performance.now() + minutes * 60_000;
    let jobs = 0;
    // Two of them: with one the node has nothing to do in half of the looks, and is 10 MiB smaller.
    const load = async (): Promise<void> => {
      while (performance.now() < untilMs) {
        await client.enqueueBatch('bench.noop', batch, { queue: 'bench', batchSize: 1_000 });
        jobs += batch.length;
        // No faster than it works: the backlog stays small.
        while ((await client.queues.length('bench')) > batch.length) await wait(20);
      }
    };
    const seen: number[] = [];
    const watch = async (): Promise<void> => {
      await wait(Math.min(WARM_MS, minutes * 20_000));
      while (performance.now() < untilMs) {
        seen.push(residentMiB(node));
        await wait(LOOK_MS);
      }
    };
    await Promise.all([load(), load(), watch()]);
    await client.close();
    return { warm: seen[0] ?? Number.NaN, end: seen.at(-1) ?? Number.NaN, most: Math.max(...seen), jobs };
  });
  return started.finally(() => rmSync(folder, { recursive: true, force: true }));
}

function residentMiB(node: ChildProcess): number {
  const status = readFileSync(`/proc/${node.pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1_024);
}
