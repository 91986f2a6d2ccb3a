import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { defineJob, type Logger, start } from '../../src/index.ts';
import { type RotaNode, startRotaNode } from '../support/rota-node.ts';
import { isAlive, RotaProcess } from '../support/rota-process.ts';
import { writeIsolationConfig } from './isolation-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'rota-isolation-'));
const configFile = writeIsolationConfig(folder);
afterAll(() => rmSync(folder, { recursive: true }));

const lines: { fields: object; message: string }[] = [];
const logger: Logger = {
  ...{ debug: () => {}, warn: () => {}, error: () => {}, child: () => logger },
  info: (fields, message) => lines.push({ fields, message }),
};

describe('a node with isolated jobs', () => {
  let node: RotaNode;
  beforeAll(async () => {
    const { default: config } = await import(configFile);
    const isolation = { threads: 1, processes: 1, processMemoryMb: 64 };
    node = await startRotaNode(config, { configFile, isolation, logger });
  });
  afterAll(() => node.stop());

  const enqueue = async (type: string, more: object = {}): Promise<string> =>
    (await node.ask('jobs.enqueue.default', { type, ...more })).job.id;
  const terminal = async (id: string) => node.ask('jobs.job.wait', { id, timeoutMs: 20_000 }, { timeoutMs: 25_000 });
  const run = async (type: string, more: object = {}) => terminal(await enqueue(type, more));
  const progressOf = (id: string) =>
    node.event(({ subject, event }) => subject.endsWith('.progress') && event.subject === id);

  for (const kind of ['thread', 'process'] as const) {
    describe(`in a ${kind}`, () => {
      test('the handler is found in the config and gets services that are made once', async () => {
        const first = await run(`${kind}.where`, { args: { a: 1 } });
        const second = await run(`${kind}.where`);
        expect(first.result).toMatchObject({ args: { a: 1 }, made: 1, service: `services of ${node.dataFolder}` });
        expect(second.result).toEqual({ ...first.result, args: {} });
        if (kind === 'process') expect(first.result.pid).not.toBe(process.pid);
        else expect(first.result).toMatchObject({ pid: process.pid, threadId: expect.any(Number) });
        expect(first.result.threadId === 0).toBe(kind === 'process');
      });

      test('the handler logs and enqueues as everywhere', async () => {
        const { result } = await run(`${kind}.parent`);
        expect((await terminal(result.child)).result.args).toEqual({ made: 'by a handler' });
        expect(lines).toContainEqual({ fields: { from: 'inside' }, message: 'a line of the handler' });
      });

      test('an infinite loop ends with its timeout, while beats and other jobs go on', async () => {
        // Longer than the lease: without beats the job would be rescued.
        const id = await enqueue(`${kind}.spin`, { timeout: '3s' });
        await progressOf(id);
        for (let count = 0; count < 20; count += 1) expect((await run('inline.where')).state).toBe('completed');
        const waiting = run(`${kind}.where`);
        const spun = await terminal(id);
        expect(spun).toMatchObject({ state: 'discarded', attempt: 1 });
        expect(spun.errors).toMatchObject([{ kind: 'timeout', message: 'the attempt took longer than its 3000 ms' }]);
        expect((await waiting).state).toBe('completed');
      });

      test.each([
        ['exit', 'killed', /exited with code 0/],
        ['reject', 'error', /unhandled rejection: nobody awaits this/],
        ...(kind === 'process'
          ? ([
              ['fill', 'killed', /heap out of memory/],
              ['abort', 'killed', /SIGABRT/],
            ] as const)
          : []),
      ] as const)('%s costs that job only', async (name, errorKind, message) => {
        const failing = run(`${kind}.${name}`);
        const next = run(`${kind}.where`);
        expect(await failing).toMatchObject({ state: 'discarded', errors: [{ kind: errorKind }] });
        expect((await failing).errors[0].message).toMatch(message);
        expect((await next).state).toBe('completed');
      });

      test('cancel aborts the signal, and with terminate kills', async () => {
        const polite = await enqueue(`${kind}.polite`);
        await progressOf(polite);
        expect((await node.ask('jobs.job.cancel', { id: polite })).state).toBe('cancelled');
        const before = (await run(`${kind}.where`)).result;

        const spinning = await enqueue(`${kind}.spin`);
        await progressOf(spinning);
        expect((await node.ask('jobs.job.cancel', { id: spinning, terminate: true })).state).toBe('cancelled');
        const after = (await run(`${kind}.where`)).result;
        expect([after.pid, after.threadId]).not.toEqual([before.pid, before.threadId]);
        expect((await terminal(spinning)).state).toBe('cancelled');
      });
    });
  }

  test('the pools are part of the tree', async () => {
    const tree = await node.ask('jobs.ctl.node.tree');
    expect(JSON.stringify(tree)).toContain('"id":"hosts"');
  });
});

test('a type that needs a thread is refused where nobody says where the config is', async () => {
  const config = { jobs: [defineJob({ type: 'heavy', isolation: 'thread', run: () => null })] };
  await expect(start(config, { data: folder, nats: 'embedded://127.0.0.1:1' })).rejects.toMatchObject({
    code: 'invalid_config',
    issues: [{ path: 'configFile', message: expect.stringContaining('"heavy" runs in a thread') }],
  });
});

describe('rota start', () => {
  let node: RotaProcess;
  beforeEach(async () => {
    process.env.ROTA_TEST_CLI = '1';
    node = await RotaProcess.make({ config: configFile, env: { ROTA_GRACE: '500ms' } });
    await node.start();
  });
  afterEach(async () => {
    delete process.env.ROTA_TEST_CLI;
    await node.dispose();
  });

  test('stops within its grace although handlers spin, leaves no process behind, and releases their jobs', async () => {
    const { connect } = await import('../../src/client/client.ts');
    const client = await connect({ servers: node.url });
    const events = client.events({ what: 'progress' })[Symbol.asyncIterator]();
    const first = events.next();
    await client.enqueue('thread.where');
    await client.wait((await client.enqueue('process.where')).id);
    await client.enqueue('thread.spin');
    await client.enqueue('process.spin');
    const seen = [await first, await events.next()].map(({ value }) => value.data.progress.pid as number);
    const child = seen.find((pid) => pid !== node.pid) ?? 0;
    expect(isAlive(child)).toBe(true);
    await client.close();
    node.signal('SIGTERM');
    expect(await node.exited).toEqual({ code: 0, signal: null });
    expect(isAlive(child)).toBe(false);
    expect(node.lines.filter(({ msg }) => msg.includes('is ended by force; its job is released'))).toHaveLength(2);
    expect(readFileSync(join(node.folder, 'closed'), 'utf8')).toContain(`0 of ${node.pid}`);
  });
});
