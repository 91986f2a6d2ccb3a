import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadBin } from './load-bin.ts';

type Ended = { code: number; output: string };
interface Machine {
  say: (line: string) => void;
  path: string;
  extra: string[];
  root: boolean;
  runCommand: (command: string, args: string[]) => Promise<Ended>;
}
type Ensure = (machine: Machine) => Promise<string>;
type FindProgram = (name: string, where: { path: string; extra?: string[] }) => string | undefined;
const { findProgram } = await loadBin<{ findProgram: FindProgram }>('setup/system-program.js');
const { ensureNatsServer } = await loadBin<{ ensureNatsServer: Ensure }>('setup/nats-server.js');
const { ensurePgbouncer } = await loadBin<{ ensurePgbouncer: Ensure }>('setup/pgbouncer.js');
const { ensurePython } = await loadBin<{ ensurePython: Ensure }>('setup/python.js');

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rota-nats-'));
  for (const name of ['first', 'second']) mkdirSync(join(folder, name));
});
afterEach(() => rmSync(folder, { recursive: true }));

function plant(place: string, mode = 0o755): string {
  const file = join(folder, place);
  writeFileSync(file, '');
  chmodSync(file, mode);
  return file;
}

describe('looking for a program', () => {
  test('takes the first of the PATH, then the extra folders', () => {
    const path = [join(folder, 'missing'), join(folder, 'first')].join(delimiter);
    const extra = [join(folder, 'second')];
    expect(findProgram('nats-server', { path, extra })).toBeUndefined();
    const second = plant('second/nats-server');
    expect(findProgram('nats-server', { path, extra })).toBe(second);
    const first = plant('first/nats-server');
    expect(findProgram('nats-server', { path, extra })).toBe(first);
  });

  test('passes over folders and files that cannot be run', () => {
    plant('first/nats-server', 0o644);
    mkdirSync(join(folder, 'second/nats-server'));
    const path = [join(folder, 'first'), join(folder, 'second')].join(delimiter);
    expect(findProgram('nats-server', { path })).toBeUndefined();
  });
});

/** A machine that has the given programs, and where a command may bring nats-server. */
function machine(programs: string[], root: boolean, answer: (line: string) => number) {
  for (const program of programs) plant(`first/${program}`);
  const commands: string[] = [];
  const runCommand = async (command: string, args: string[]): Promise<Ended> => {
    commands.push([command, ...args].join(' '));
    return {
      code: answer(commands.at(-1) ?? ''),
      output: 'E: Unable to locate package, see http://mirror.example/x\n',
    };
  };
  return { commands, options: { say: () => {}, path: join(folder, 'first'), extra: [], root, runCommand } };
}

const bring = (program = 'nats-server'): number => {
  plant(`first/${program}`);
  return 0;
};

describe('getting nats-server', () => {
  test('runs nothing when it is there', async () => {
    const { options, commands } = machine(['nats-server', 'apt-get'], true, () => 1);
    expect(await ensureNatsServer(options)).toBe(join(folder, 'first/nats-server'));
    expect(commands).toEqual([]);
  });

  test("takes Debian's package, after fetching the package lists where there are none", async () => {
    let updated = false;
    const { options, commands } = machine(['apt-get'], true, (line) => {
      if (line.includes(' update')) updated = true;
      return line.includes(' install ') ? (updated ? bring() : 100) : 0;
    });
    expect(await ensureNatsServer(options)).toBe(join(folder, 'first/nats-server'));
    const verbs = commands
      .filter((line) => line.includes('apt-get'))
      .map((line) => / (install|update)\b/.exec(line)?.[1]);
    expect(verbs).toEqual(['install', 'update', 'install']);
  });

  test('uses sudo only where it asks no password', async () => {
    const { options, commands } = machine(['apt-get', 'sudo'], false, (line) =>
      line.includes('install') ? bring() : 0,
    );
    await ensureNatsServer(options);
    expect(commands[0]).toBe('sudo -n true');
    expect(commands[1]).toMatch(/^sudo -n env DEBIAN_FRONTEND=noninteractive apt-get .* install -y .*nats-server$/);
  });

  test('takes Homebrew where there is no apt, or no right to use it', async () => {
    const { options, commands } = machine(['apt-get', 'sudo', 'brew'], false, (line) =>
      line.startsWith('sudo') ? 1 : bring(),
    );
    await ensureNatsServer(options);
    expect(commands).toEqual(['sudo -n true', 'brew install nats-server']);
  });

  test('says what to do where it can do nothing', async () => {
    const { options, commands } = machine(['apt-get'], false, () => 1);
    await expect(ensureNatsServer(options)).rejects.toThrow(/not found.*apt-get install nats-server.*ROTA_NATS/);
    expect(commands).toEqual([]);
  });

  test('says why an install failed, without the address of a mirror', async () => {
    const { options } = machine(['apt-get'], true, () => 100);
    const failure = await ensureNatsServer(options).catch((error: Error) => error.message);
    expect(failure).toMatch(/failed \(Unable to locate package, see \(address\)\); install it yourself/);
    expect(failure).not.toMatch(/mirror/);
  });
});

describe('getting python3 for the tests', () => {
  test('runs nothing when it is there, also outside the PATH', async () => {
    const { options, commands } = machine(['apt-get'], true, () => 1);
    const second = plant('second/python3');
    expect(await ensurePython({ ...options, extra: [join(folder, 'second')] })).toBe(second);
    const first = plant('first/python3');
    expect(await ensurePython(options)).toBe(first);
    expect(commands).toEqual([]);
  });

  test("takes Debian's package as the administrator, after fetching the package lists where there are none", async () => {
    let updated = false;
    const { options, commands } = machine(['apt-get'], true, (line) => {
      if (line.includes(' update')) updated = true;
      return line.includes(' install ') ? (updated ? bring('python3') : 100) : 0;
    });
    expect(await ensurePython(options)).toBe(join(folder, 'first/python3'));
    expect(commands.map((line) => / (install|update)\b/.exec(line)?.[1])).toEqual(['install', 'update', 'install']);
    expect(commands.at(-1)).toMatch(/ install -y --no-install-recommends python3$/);
  });

  test('says what to do where it can do nothing, and why an install failed', async () => {
    const ordinary = machine(['apt-get'], false, () => 1);
    await expect(ensurePython(ordinary.options)).rejects.toThrow(/python3 was not found.*apt-get install python3/);
    expect(ordinary.commands).toEqual([]);
    const { options } = machine(['apt-get'], true, () => 100);
    await expect(ensurePython(options)).rejects.toThrow(/installing python3 failed \(Unable to locate package/);
  });
});

describe('getting pgbouncer for the tests', () => {
  test("takes Debian's package as the administrator", async () => {
    const { options, commands } = machine(['apt-get'], true, () => bring('pgbouncer'));
    expect(await ensurePgbouncer(options)).toBe(join(folder, 'first/pgbouncer'));
    expect(commands[0]).toMatch(/ install -y --no-install-recommends pgbouncer$/);
  });

  test('says what to do where it can do nothing', async () => {
    const { options } = machine(['apt-get'], false, () => 1);
    await expect(ensurePgbouncer(options)).rejects.toThrow(/pgbouncer was not found.*apt-get install pgbouncer/);
  });
});
