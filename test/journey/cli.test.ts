import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { programEnv } from '../support/program-env.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/rota.js', import.meta.url));
const DOOR = new URL('../../src/index.ts', import.meta.url).href;

const CONFIG = `
import { cron, defineJob, defineScheduler } from '${DOOR}';
const echo = defineJob({ type: 'echo', queue: 'mail', run: async ({ args }) => ({ echoed: args }) });
const broken = defineJob({ type: 'broken', maxAttempts: 1, run: async () => { throw new Error('no way'); } });
const stray = defineJob({ type: 'stray', run: async () => { void Promise.reject(new Error('left behind')); } });
const deaf = defineJob({ type: 'deaf', run: () => new Promise((resolve) => setTimeout(resolve, 2 ** 30)) });
export default defineScheduler({
  queues: { default: 2, mail: 1 },
  jobs: [echo, broken, stray, deaf],
  schedules: { nightly: cron('0 3 * * *', echo) },
});
`;

/** One `rota` as a process of its own. Every line that it writes is kept, and may be waited for. */
class Command {
  readonly child: ChildProcess;
  readonly stdout: string[] = [];
  readonly stderr: string[] = [];
  readonly #ended: Promise<number | string>;
  readonly #watchers = new Set<() => void>();

  constructor(argv: readonly string[], { cwd, env }: { cwd: string; env: Record<string, string> }) {
    this.child = spawn(process.execPath, [LAUNCHER, ...argv], {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...programEnv(), ...env },
    });
    const kill = (): void => void this.child.kill('SIGKILL');
    process.once('exit', kill);
    this.#ended = once(this.child, 'close').then(([code, signal]) => {
      process.off('exit', kill);
      for (const look of [...this.#watchers]) look();
      return code ?? signal;
    });
    for (const stream of ['stdout', 'stderr'] as const) {
      createInterface({ input: this.child[stream] ?? process.stdin }).on('line', (line) => {
        this[stream].push(line);
        for (const look of [...this.#watchers]) look();
      });
    }
  }

  /** The exit code, or the signal that ended it. */
  get ended(): Promise<number | string> {
    return this.#ended;
  }

  /** Resolves with the first line that holds a text; rejects when it ends without. */
  line(stream: 'stdout' | 'stderr', text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const found = this[stream].find((line) => line.includes(text));
        const over = this.child.stdout?.destroyed && this.child.stderr?.destroyed;
        if (found === undefined && !over) return;
        this.#watchers.delete(look);
        if (found !== undefined) resolve(found);
        else reject(new Error(`it ended without "${text}":\n${[...this.stdout, ...this.stderr].join('\n')}`));
      };
      this.#watchers.add(look);
      look();
    });
  }

  /** By its own process number, and only if it still runs. */
  signal(name: NodeJS.Signals): void {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(name);
  }
}

const folder = mkdtempSync(join(tmpdir(), 'rota-cli-'));
let env: Record<string, string>;
const commands: Command[] = [];

function launch(...argv: string[]): Command {
  const command = new Command(argv, { cwd: folder, env });
  commands.push(command);
  return command;
}

async function run(...argv: string[]): Promise<{ code: number | string; stdout: string; stderr: string }> {
  const command = launch(...argv);
  const code = await command.ended;
  return { code, stdout: command.stdout.join('\n'), stderr: command.stderr.join('\n') };
}

async function startNode(grace: string): Promise<Command> {
  const node = launch('start', '--config', 'config.ts', '--node', 'here', '--grace', grace);
  await node.line('stdout', '"msg":"started"');
  return node;
}

/** A node that had to be killed left its nats-server behind, which is ours as long as it runs on our folder. */
function endOrphan(pidFile: string): void {
  try {
    const pid = Number(readFileSync(pidFile, 'utf8'));
    if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder)) process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone, as it should be.
  }
}

beforeAll(async () => {
  writeFileSync(join(folder, 'config.ts'), CONFIG);
  env = { ROTA_NATS: `embedded://127.0.0.1:${await freePort()}` };
});

afterAll(async () => {
  for (const command of commands) command.signal('SIGKILL');
  await Promise.all(commands.map(({ ended }) => ended));
  endOrphan(join(folder, 'data', 'nats', 'nats-server.pid'));
  rmSync(folder, { recursive: true, force: true });
});

describe('a running node', () => {
  let node: Command;
  beforeAll(async () => {
    node = await startNode('200ms');
  });

  test('takes jobs, and tells how they end', async () => {
    const done = await run('enqueue', 'echo', '{"a":1}', '--wait-timeout', '20s');
    expect(done).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\S{36} completed\n\{"echoed":\{"a":1\}\}$/),
    });
    const failed = await run('enqueue', 'broken', '--wait-timeout', '20s', '--json');
    expect(failed.code).toBe(1);
    expect(JSON.parse(failed.stdout).state).toBe('discarded');
    expect(JSON.parse(failed.stderr).error).toMatchObject({ code: 'job_failed' });
    const refused = await run('enqueue', 'unheard.of');
    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('unheard.of') });
  });

  test('shows its jobs, schedules, queues, nodes and tree', async () => {
    const jobs = JSON.parse((await run('jobs', '--state', 'completed', '--type', 'echo', '--json')).stdout).jobs;
    expect(jobs).toHaveLength(1);
    expect((await run('jobs', jobs[0].id)).stdout).toMatch(/^state +completed$/m);
    expect((await run('jobs')).stdout).toMatch(/discarded +broken +default +1\/1 .* no way$/m);
    expect((await run('schedules')).stdout).toMatch(/^nightly +0 3 \* \* \* +UTC +\S+ 03:00:00Z/m);
    expect((await run('queues')).stdout).toMatch(/^mail +1 .*here$/m);
    expect((await run('nodes')).stdout).toMatch(/^here +\S+ /m);
    expect((await run('tree')).stdout).toMatch(/^│ {2}├─ queue:default +running /m);
  });

  test('can be watched', async () => {
    const watch = launch('watch', 'jobs.events.job.*.completed', '--count', '1');
    await watch.line('stderr', 'watching jobs.events.job.*.completed');
    const { id } = JSON.parse((await run('enqueue', 'echo', '--json')).stdout).job;
    expect(await watch.ended).toBe(0);
    expect(JSON.parse(watch.stdout.join(''))).toMatchObject({ type: 'jobs.job.completed', subject: id });
  });

  test('can be watched until a signal, and until nobody reads any more', async () => {
    const watch = launch('watch');
    await watch.line('stderr', 'watching');
    watch.signal('SIGINT');
    expect(await watch.ended).toBe(0);
    const unread = launch('watch');
    await unread.line('stderr', 'watching');
    unread.child.stdout?.destroy();
    await run('enqueue', 'echo', '--wait-timeout', '20s');
    expect(await unread.ended).toBe(0);
  });

  test('outlives a rejection that a handler left behind', async () => {
    expect((await run('enqueue', 'stray', '--wait-timeout', '20s')).code).toBe(0);
    expect(await node.line('stdout', 'a rejection that nobody handled')).toContain('left behind');
  });

  test('is found well by the doctor', async () => {
    const { code, stdout } = await run('doctor', '--config', 'config.ts', '--json');
    const { ok, findings } = JSON.parse(stdout);
    expect({ code, ok }).toEqual({ code: 0, ok: true });
    const states = Object.fromEntries(
      findings.map((finding: { what: string; state: string }) => [finding.what, finding.state]),
    );
    expect(states).toMatchObject({ Node: 'ok', config: 'ok', JetStream: 'ok', Rota: 'ok', store: 'ok' });
  });

  test('keeps its data folder to itself', async () => {
    const second = await run('start', '--config', 'config.ts', '--nats', `embedded://127.0.0.1:${await freePort()}`);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`in use by process ${node.child.pid}`);
  });

  test('stops at SIGTERM with exit code 0, a deaf handler or not', async () => {
    const watch = launch('watch', 'jobs.events.job.default.started', '--count', '1');
    await watch.line('stderr', 'watching');
    await run('enqueue', 'deaf');
    await watch.ended;
    node.signal('SIGTERM');
    expect(await node.ended).toBe(0);
    expect(node.stdout.some((line) => line.includes('"msg":"stopped"'))).toBe(true);
  });
});

test('a second signal ends a node at once, with exit code 1', async () => {
  const node = await startNode('1h');
  node.signal('SIGTERM');
  await node.line('stdout', '"msg":"stopping"');
  node.signal('SIGINT');
  expect(await node.ended).toBe(1);
});

describe('without a node', () => {
  test('commands say so within seconds', async () => {
    const { code, stderr } = await run('jobs');
    expect(code).toBe(1);
    expect(stderr).toContain('cannot reach NATS at');
  });

  test('a config that is wrong is told with every mistake and its place', async () => {
    writeFileSync(join(folder, 'wrong.mjs'), 'export default { queues: { "a b": 1, c: 0 }, schedules: { x: 5 } };');
    const { code, stdout, stderr } = await run('start', '--config', 'wrong.mjs');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(`${join(folder, 'wrong.mjs')}: the configuration has 3 mistakes`);
    for (const place of ['queues.a b', 'queues.c', 'schedules.x']) expect(stderr).toContain(`  ${place} `);
    expect((await run('doctor', '--config', 'wrong.mjs')).code).toBe(1);
    expect(await run('start', '--config', 'absent.ts')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`there is no config file ${join(folder, 'absent.ts')}`),
    });
  });

  test('a command line that is wrong is exit code 2', async () => {
    expect(await run('strat')).toMatchObject({ code: 2, stderr: expect.stringContaining('did you mean "start"?') });
    expect((await run('start', '--config', 'config.ts', '--grace', 'soon')).code).toBe(2);
    expect((await run('--version')).code).toBe(0);
  });
});
