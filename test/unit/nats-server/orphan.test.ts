import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isServerOf, pidIn, stopOrphan } from '../../../src/actors/nats-server/orphan.ts';
import { fastClock, recordingLogger, spawned, tempFolder } from './world.ts';

const CONFIG = '/data/nats/nats-server.conf';

describe('a process is a server of ours', () => {
  test.each([
    [`/usr/sbin/nats-server -c ${CONFIG}`, true],
    [`nats-server -c ${CONFIG}`, true],
    ['', false],
    ['nats-server -js', false],
    [`nats-server -c /other${CONFIG}`, false],
    [`nats-server -c ${CONFIG}.new`, false],
    [`vim ${CONFIG}`, false],
  ])('when its command line is %j: %s', (commandLine, ours) =>
    expect(isServerOf(CONFIG, { kind: 'runs', commandLine })).toBe(ours),
  );

  test('may be while it is ending, not when it is gone', () => {
    expect(isServerOf(CONFIG, { kind: 'ending' })).toBe(true);
    expect(isServerOf(CONFIG, { kind: 'gone' })).toBe(false);
  });

  test.each([
    ['123', 123],
    ['123\n', 123],
    ['', undefined],
    ['0', undefined],
    ['-1', undefined],
    ['12x', undefined],
    ['99999999999', undefined],
  ])('pid file %j names %s', (text, pid) => expect(pidIn(text)).toBe(pid));
});

/** A process whose command line ends like that of a server on this config file. */
function impostor(configFile: string, onTerm: string) {
  const script = `process.on('SIGTERM', () => { ${onTerm} }); setInterval(() => {}, 1e6); console.log('up');`;
  return spawned(process.execPath, ['-e', script, '--', '-c', configFile]);
}

function search() {
  const folder = tempFolder();
  const { log, lines } = recordingLogger();
  const paths = { pidFile: join(folder, 'nats-server.pid'), configFile: join(folder, 'nats-server.conf') };
  return { ...paths, clock: fastClock, log, lines };
}

describe('the search for an orphan', () => {
  test('finds none without a pid file, with a bad one, and with one of a process that has gone', async () => {
    const none = search();
    expect(await stopOrphan(none)).toBe(false);
    writeFileSync(none.pidFile, 'rubbish');
    expect(await stopOrphan(none)).toBe(false);
    const gone = spawned(process.execPath, ['-e', '0']);
    await gone.exited;
    writeFileSync(none.pidFile, String(gone.pid));
    expect(await stopOrphan(none)).toBe(false);
    expect(none.lines).toEqual([]);
  });

  test('leaves a process alone that only has the number', async () => {
    const other = search();
    const { child, pid, line } = impostor('/another/nats-server.conf', 'process.exit()');
    await line(/up/);
    writeFileSync(other.pidFile, String(pid));
    expect(await stopOrphan(other)).toBe(false);
    expect(child.exitCode ?? child.signalCode).toBeNull();
  });

  test('asks it to end, and returns when it has', async () => {
    const found = search();
    const { exited, pid, line } = impostor(found.configFile, 'process.exit(7)');
    await line(/up/);
    writeFileSync(found.pidFile, `${pid}\n`);
    expect(await stopOrphan(found)).toBe(true);
    expect(await exited).toEqual({ code: 7, signal: null });
    expect(found.lines).toEqual(['info stopping a nats-server that a killed Rota left behind']);
  });

  test('kills one that does not listen, after 5 s', async () => {
    const deaf = search();
    const { exited, pid, line } = impostor(deaf.configFile, '');
    await line(/up/);
    writeFileSync(deaf.pidFile, String(pid));
    const sinceMs = fastClock.monotonicMs();
    expect(await stopOrphan(deaf)).toBe(true);
    expect(fastClock.monotonicMs() - sinceMs).toBeGreaterThanOrEqual(5_000);
    expect(await exited).toEqual({ code: null, signal: 'SIGKILL' });
  });
});
