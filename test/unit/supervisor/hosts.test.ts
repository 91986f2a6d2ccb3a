import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { createMachine } from 'xstate';
import {
  type ChildSpec,
  isHostReady,
  type ProcessOptions,
  processActor,
  type Report,
  type Supervisor,
  startSupervisor,
  type ThreadOptions,
  threadActor,
} from '../../../src/supervisor/supervisor.ts';

const fixture = (name: string) => new URL(`./fixtures/${name}`, import.meta.url);

/** Waits for what is told, in any order, without polling. */
class Told<T> {
  readonly all: T[] = [];
  #wake = Promise.withResolvers<void>();

  readonly tell = (what: T): void => {
    this.all.push(what);
    this.#wake.resolve();
  };

  async until(fits: (what: T) => boolean): Promise<T> {
    for (;;) {
      const found = this.all.find(fits);
      if (found !== undefined) return found;
      this.#wake = Promise.withResolvers<void>();
      await this.#wake.promise;
    }
  }
}

const supervisors: Supervisor[] = [];
const exitListeners = process.listenerCount('exit');

async function start(spec: Omit<ChildSpec, 'id'>) {
  const reports = new Told<Report>();
  const onReport = reports.tell;
  const children = [{ id: 'host', restart: 'temporary' as const, ready: isHostReady, ...spec }];
  const sup = await startSupervisor({ name: 'root', children }, { onReport });
  supervisors.push(sup);
  const exit = () => reports.until((report) => report.type === 'child-exited');
  return { sup, exit, actor: sup.child('host') };
}

const isGone = (pid: number): boolean => {
  try {
    return !process.kill(pid, 0);
  } catch {
    return true;
  }
};

afterEach(async () => {
  for (const sup of supervisors.splice(0)) await sup.stop();
  const left = () => process.getActiveResourcesInfo().some((resource) => /ProcessWrap|Worker/.test(resource));
  while (left()) await new Promise(setImmediate); // Node closes handles some turns after the exit; a leak times out
  expect(process.listenerCount('exit')).toBe(exitListeners);
});

describe('a thread', () => {
  const thread = (options: Partial<ThreadOptions> = {}) => {
    const workers: Worker[] = [];
    const messages = new Told<unknown>();
    const make = () =>
      threadActor({
        url: fixture('thread.ts'),
        name: 'test',
        onMessage: messages.tell,
        onWorker: (worker) => workers.push(worker),
        ...options,
      });
    return { workers, messages, start: make };
  };

  it('is ready when it says so, takes messages, ends in its own time when asked', async () => {
    const { messages, workers, start: make } = thread({ workerData: 7 });
    const { sup, actor, exit } = await start({ start: make });
    actor?.send({ type: 'post', message: 'hello' });
    await messages.until((message) => typeof message === 'object');
    await sup.terminateChild('host');
    expect(messages.all).toEqual([{ echo: 'hello', workerData: 7 }, 'cleaning']);
    expect(await exit()).toMatchObject({ reason: 'shutdown' });
    expect(workers[0]?.threadId).toBe(-1);
  });

  it('a buffer can be moved into it', async () => {
    const { messages, start: make } = thread();
    const { actor } = await start({ start: make });
    const buffer = new ArrayBuffer(8);
    actor?.send({ type: 'post', message: buffer, transfer: [buffer] });
    await messages.until((message) => typeof message === 'object');
    expect(buffer.byteLength).toBe(0);
  });

  for (const [message, reason] of [
    ['throw', { message: 'thread boom' }],
    ['exit 3', { message: 'thread "test" exited with code 3', exitCode: 3 }],
    ['exit 0', 'normal'],
  ] as const) {
    it(`that does "${message}" ends the actor`, async () => {
      const { start: make } = thread();
      const { actor, exit } = await start({ start: make });
      actor?.send({ type: 'post', message });
      const report = await exit();
      if (reason === 'normal') expect(report.reason).toBe('normal');
      else expect(report.reason).toMatchObject(reason);
    });
  }

  it('that fails before it is ready has failed to start', async () => {
    const { start: make } = thread({ workerData: 'fail on start' });
    const failed = await start({ start: make }).catch((error) => error);
    expect(failed).toMatchObject({ code: 'failed_to_start_child', cause: { message: 'no start' } });
    const missing = thread({ url: fixture('missing.ts') });
    expect(await start({ start: missing.start }).catch((error) => error)).toMatchObject({
      code: 'failed_to_start_child',
    });
  });

  it('that may end what it is at does so before it is killed; one that takes too long is terminated', async () => {
    for (const [killGraceMs, isDone] of [
      [0, 0],
      [20_000, 1],
    ] as const) {
      const { start: make, workers } = thread({ workerData: 'deaf', killGraceMs });
      const { sup, actor, exit } = await start({ start: make, shutdown: 'brutal_kill' });
      const told = new Int32Array(new SharedArrayBuffer(12));
      actor?.send({ type: 'post', message: told.buffer });
      await Atomics.waitAsync(told, 0, 0).value;
      await sup.terminateChild('host');
      expect(await exit()).toMatchObject({ reason: 'killed' });
      expect(workers[0]?.threadId).toBe(-1);
      expect(told[2], `with a grace of ${killGraceMs} ms`).toBe(isDone);
    }
    const spinning = thread({ killGraceMs: 50 });
    const { sup, actor } = await start({ start: spinning.start, shutdown: 'brutal_kill' });
    actor?.send({ type: 'post', message: 'spin' });
    await sup.terminateChild('host');
    expect(spinning.workers[0]?.threadId).toBe(-1);
  });

  it('that does not react is killed for real, also in an endless loop', async () => {
    const deaf = thread({ workerData: 'deaf' });
    const first = await start({ start: deaf.start, shutdown: 20 });
    await first.sup.terminateChild('host');
    expect(await first.exit()).toMatchObject({ reason: 'killed' });
    expect(deaf.workers[0]?.threadId).toBe(-1);
    const spinning = thread();
    const second = await start({ start: spinning.start, shutdown: 20 });
    second.actor?.send({ type: 'post', message: 'spin' });
    await second.sup.terminateChild('host');
    expect(await second.exit()).toMatchObject({ reason: 'killed' });
    expect(spinning.workers[0]?.threadId).toBe(-1);
  });

  it('whose listener throws is ended with that error', async () => {
    const onMessage = () => {
      throw new Error('listener');
    };
    const { start: make } = thread({ onMessage });
    const { actor, exit } = await start({ start: make });
    actor?.send({ type: 'post', message: 'hello' });
    expect((await exit()).reason).toMatchObject({ message: 'listener' });
  });

  it('below a machine that fails is waited for before the machine is called ended', async () => {
    const { workers, messages, start: make } = thread();
    const machine = () =>
      createMachine({
        invoke: { id: 'thread', src: make() },
        on: {
          crash: {
            actions: () => {
              throw new Error('machine');
            },
          },
        },
      });
    const { actor, exit } = await start({ start: machine, ready: () => true });
    actor?.getSnapshot().children.thread.send({ type: 'post', message: 'hello' });
    await messages.until(() => true);
    actor?.send({ type: 'crash' });
    expect((await exit()).reason).toMatchObject({ message: 'machine' });
    expect(workers[0]?.threadId).toBe(-1);
  });

  it('cannot be ended by a message that pretends it has', async () => {
    const { start: make } = thread();
    const { actor, sup } = await start({ start: make });
    actor?.send({ type: 'rota.host.inside', key: {}, what: { failure: undefined } });
    expect(sup.child('host')).toBe(actor);
  });
});

describe('an OS process', () => {
  const shell = (script: string, options: Partial<ProcessOptions> = {}) => {
    const pids: number[] = [];
    const lines = new Told<string>();
    const make = () =>
      processActor({
        name: 'test',
        command: 'sh',
        args: ['-c', script],
        onLine: lines.tell,
        onProcess: (child) => void pids.push(child.pid ?? 0),
        ...options,
      });
    return { pids, lines, start: make };
  };

  it('is ready by a line, is asked with a signal, and is gone then', async () => {
    const {
      pids,
      lines,
      start: make,
    } = shell('echo hello; echo ready >&2; exec sleep 1000', {
      readyWhen: (line) => line === 'ready',
    });
    const { sup, exit } = await start({ start: make });
    expect(lines.all.toSorted()).toEqual(['hello', 'ready']);
    await sup.terminateChild('host');
    expect(await exit()).toMatchObject({ reason: 'shutdown' });
    expect(isGone(pids[0] ?? 0)).toBe(true);
  });

  it('is ready by a probe, which may fail at first', async () => {
    let probes = 0;
    const probe = async () => {
      probes += 1;
      if (probes === 1) throw new Error('not yet');
      return probes === 3;
    };
    const { start: make } = shell('exec sleep 1000', { probe, probeEveryMs: 1 });
    await start({ start: make });
    expect(probes).toBe(3);
  });

  it('that catches the signal and exits as shells do has ended as asked', async () => {
    const { start: make } = shell('trap "exit 143" TERM; echo up; while :; do sleep 0.01; done', {
      readyWhen: (line) => line === 'up',
    });
    const { sup, exit } = await start({ start: make });
    await sup.terminateChild('host');
    expect(await exit()).toMatchObject({ reason: 'shutdown' });
  });

  it('that ignores the signal is killed when its time is over', async () => {
    const { pids, start: make } = shell('trap "" TERM; echo up; while :; do sleep 0.01; done', {
      readyWhen: (line) => line === 'up',
    });
    const { sup, exit } = await start({ start: make, shutdown: 20 });
    await sup.terminateChild('host');
    expect(await exit()).toMatchObject({ reason: 'killed' });
    expect(isGone(pids[0] ?? 0)).toBe(true);
  });

  it('ends the actor with its exit code, its signal and its last words', async () => {
    const fine = await start({ start: shell('read x; exit 0').start });
    expect(await fine.exit()).toMatchObject({ reason: 'normal' });
    const bad = await start({ start: shell('echo some; echo trouble >&2; exit 4').start });
    const { reason } = await bad.exit();
    expect(reason).toMatchObject({ name: 'HostExitError', exitCode: 4, signal: null });
    expect(String(reason)).toMatch(/exited with code 4\n(.*\n)?trouble/);
    const killed = await start({ start: shell('kill -KILL $$').start });
    expect((await killed.exit()).reason).toMatchObject({ exitCode: null, signal: 'SIGKILL' });
  });

  it('that cannot be spawned has failed to start', async () => {
    const { start: make } = shell('', { command: '/no/such/program', readyWhen: () => true });
    expect(await start({ start: make }).catch((error) => error)).toMatchObject({
      code: 'failed_to_start_child',
      cause: { code: 'ENOENT' },
    });
  });

  it('is ended although a process of its own holds its pipes', async () => {
    const { lines, start: make } = shell('sleep 3 & echo $!; exit 5', { readyWhen: () => true });
    const { exit } = await start({ start: make });
    expect((await exit()).reason).toMatchObject({ exitCode: 5 });
    process.kill(Number(lines.all[0]), 'SIGKILL');
  });

  it('writes lines of any length and number in bounded memory', async () => {
    const { lines, start: make } = shell('head -c 100000 /dev/zero | tr "\\0" x; echo; printf "a\\r\\nlast"');
    const { exit } = await start({ start: make });
    await exit();
    expect(lines.all.map((line) => line.length)).toEqual([16_384, 1, 4]);
  });

  it('of ours says when it is ready, takes messages and cleans up', async () => {
    const messages = new Told<unknown>();
    const args = [fileURLToPath(fixture('process.ts'))];
    const options = { command: process.execPath, args, ipc: true, onMessage: messages.tell };
    const { actor, sup, exit } = await start({ start: shell('', options).start });
    actor?.send({ type: 'post', message: 'hello' });
    await messages.until((message) => typeof message === 'object');
    await sup.terminateChild('host');
    expect(messages.all).toEqual([{ echo: 'hello' }, 'cleaning']);
    expect(await exit()).toMatchObject({ reason: 'shutdown' });
    const crashing = await start({ start: shell('', options).start });
    crashing.actor?.send({ type: 'post', message: 'throw' });
    expect(String((await crashing.exit()).reason)).toMatch(/process boom/);
  });

  for (const [how, signal, foreignGoes] of [
    ['exits', 'SIGUSR2', true],
    ['is killed', 'SIGKILL', false], // a foreign program cannot notice
  ] as const) {
    it(`does not outlive a parent that ${how}`, async () => {
      const parent = spawn(process.execPath, [fileURLToPath(fixture('parent.ts'))], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const [line] = await once(parent.stdout, 'data');
      const [ours = 0, foreign = 0]: number[] = JSON.parse(String(line));
      expect([isGone(ours), isGone(foreign)]).toEqual([false, false]);
      parent.kill(signal);
      await once(parent, 'exit');
      while (!isGone(ours)) await new Promise(setImmediate);
      if (foreignGoes) while (!isGone(foreign)) await new Promise(setImmediate);
      else process.kill(foreign, 'SIGKILL');
    });
  }
});
