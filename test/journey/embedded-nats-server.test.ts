import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type PreparedServer, prepareNatsServer } from '../../src/actors/nats-server/prepare.ts';
import { natsServerSpec } from '../../src/actors/nats-server/spec.ts';
import { lockDataFolder } from '../../src/app/data-lock.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { type Logger, silentLogger } from '../../src/kernel/log.ts';
import { type Report, type Supervisor, startSupervisor } from '../../src/supervisor/supervisor.ts';

const source = (path: string): string => new URL(`../../src/${path}`, import.meta.url).href;

function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'rota-journey-nats-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

interface House {
  lines: string[];
  prepare(port?: number): Promise<PreparedServer>;
  start(prepared: PreparedServer): Promise<Supervisor>;
  /** Resolves with the first report of this type that comes from now on. */
  next(type: Report['type']): Promise<Report>;
}

/** A data folder, and what is started on it. */
function house(dataFolder: string): House {
  const lines: string[] = [];
  const note = (level: string) => (_fields: object, message: string) => void lines.push(`${level} ${message}`);
  const log: Logger = {
    debug: note('debug'),
    info: note('info'),
    warn: note('warn'),
    error: note('error'),
    child: () => log,
  };
  const listeners = new Set<(report: Report) => void>();
  return {
    lines,
    prepare: (port = 0) => prepareNatsServer({ host: 'localhost', port, dataFolder, clock: systemClock, log }),
    start: async (prepared) => {
      const supervisor = await startSupervisor(
        { name: 'root', intensity: 10, children: [natsServerSpec(prepared, { log })] },
        {
          onReport: (report) => {
            for (const listener of listeners) listener(report);
          },
        },
      );
      onTestFinished(async () => void (await supervisor.stop()));
      return supervisor;
    },
    next: (type) =>
      new Promise((resolve) => {
        const listener = (report: Report): void => {
          if (report.type !== type) return;
          listeners.delete(listener);
          resolve(report);
        };
        listeners.add(listener);
      }),
  };
}

const pidOf = (prepared: PreparedServer): number => Number(readFileSync(prepared.pidFile, 'utf8'));
const portOf = (prepared: PreparedServer): number => Number(new URL(prepared.url).port);

async function connected<T>(prepared: PreparedServer, use: (connection: NatsConnection) => Promise<T>): Promise<T> {
  const connection = await connect({ servers: prepared.url, reconnect: false });
  try {
    return await use(connection);
  } finally {
    await connection.close();
  }
}

/** Stores messages in a stream, acknowledged one by one. */
const store = (prepared: PreparedServer, count: number): Promise<void> =>
  connected(prepared, async (connection) => {
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name: 'kept', subjects: ['kept.>'] });
    for (let index = 0; index < count; index++) await jetstream(connection).publish('kept.one', String(index));
  });

const stored = (prepared: PreparedServer): Promise<number> =>
  connected(prepared, async (connection) => {
    const manager = await jetstreamManager(connection);
    return (await manager.streams.info('kept')).state.messages;
  });

describe('the embedded nats-server', () => {
  test('is restarted on the same port with its data when it is killed', async () => {
    const { prepare, start, next, lines } = house(tempFolder());
    const prepared = await prepare();
    await start(prepared);
    await store(prepared, 25);
    for (let life = 0; life < 2; life++) {
      const killed = pidOf(prepared);
      const restarted = next('child-restarted');
      process.kill(killed, 'SIGKILL');
      expect(await restarted).toMatchObject({ id: 'nats-server', incarnation: life + 2 });
      expect(pidOf(prepared)).not.toBe(killed);
      expect(await stored(prepared)).toBe(25);
    }
    expect(lines.filter((line) => line === 'debug Server is ready')).toHaveLength(3);
  });

  test('says once that an older server cannot sync each write', async () => {
    const { prepare, lines } = house(tempFolder());
    const { version } = await prepare();
    const warnings = lines.filter((line) => line.startsWith('warn'));
    const older = /^2\.9\./.test(version);
    expect(warnings).toEqual(older ? [expect.stringMatching(/survives kill -9, but not power loss/)] : []);
  });

  test('keeps its data from one start of the program to the next, also in a folder with an odd name', async () => {
    const folder = join(tempFolder(), 'my "data" $folder');
    const first = house(folder);
    const prepared = await first.prepare();
    const supervisor = await first.start(prepared);
    await store(prepared, 3);
    await supervisor.stop();
    const second = house(folder);
    const again = await second.prepare(portOf(prepared));
    expect(again.url).toBe(prepared.url);
    await second.start(again);
    expect(await stored(again)).toBe(3);
    expect(second.lines.filter((line) => line.startsWith('info'))).toEqual([]);
  });

  test('that a killed owner left behind is stopped, its port and data are taken over', async () => {
    const folder = tempFolder();
    const owner = await killedOwner(folder);
    expect(() => process.kill(owner.serverPid, 0)).not.toThrow();
    const lock = lockDataFolder(folder);
    onTestFinished(() => lock.release());
    const { prepare, start, lines } = house(folder);
    const prepared = await prepare(owner.port);
    expect(lines).toContain('info stopping a nats-server that a killed Rota left behind');
    expect(portOf(prepared)).toBe(owner.port);
    await start(prepared);
    expect(pidOf(prepared)).not.toBe(owner.serverPid);
    expect(await stored(prepared)).toBe(7);
  });

  test('of another data folder is not touched, and named when it has the port', async () => {
    const mine = house(tempFolder());
    const prepared = await mine.prepare();
    await mine.start(prepared);
    const refused = house(tempFolder()).prepare(portOf(prepared));
    await expect(refused).rejects.toMatchObject({ code: 'invalid_config' });
    await expect(refused).rejects.toThrow(
      `nats-server ${prepared.version} named "rota-embedded" answers there; use that one with --nats ${prepared.url}`,
    );
    await connected(prepared, (connection) => connection.flush());
  });

  test('is for this machine only', async () => {
    const options = { port: 0, dataFolder: tempFolder(), clock: systemClock, log: silentLogger };
    await expect(prepareNatsServer({ ...options, host: '0.0.0.0' })).rejects.toThrow(/this machine only/);
  });
});

/** A process of its own that owns the folder, runs a server on it with 7 messages, and is killed by SIGKILL. */
async function killedOwner(folder: string): Promise<{ serverPid: number; port: number }> {
  const program = join(folder, 'owner.mjs');
  writeFileSync(
    program,
    `import { lockDataFolder } from ${JSON.stringify(source('app/data-lock.ts'))};
     import { prepareNatsServer } from ${JSON.stringify(source('actors/nats-server/prepare.ts'))};
     import { natsServerSpec } from ${JSON.stringify(source('actors/nats-server/spec.ts'))};
     import { systemClock } from ${JSON.stringify(source('kernel/clock.ts'))};
     import { silentLogger as log } from ${JSON.stringify(source('kernel/log.ts'))};
     import { startSupervisor } from ${JSON.stringify(source('supervisor/supervisor.ts'))};
     const dataFolder = ${JSON.stringify(folder)};
     lockDataFolder(dataFolder);
     const prepared = await prepareNatsServer({ host: '127.0.0.1', port: 0, dataFolder, clock: systemClock, log });
     await startSupervisor({ name: 'root', children: [natsServerSpec(prepared, { log })] });
     console.log(JSON.stringify(prepared));`,
  );
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  const prepared: PreparedServer = JSON.parse(line);
  const serverPid = pidOf(prepared);
  await store(prepared, 7);
  expect(() => lockDataFolder(folder)).toThrow(`in use by process ${child.pid}`);
  child.kill('SIGKILL');
  await exited;
  return { serverPid, port: portOf(prepared) };
}
