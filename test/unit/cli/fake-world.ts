import type { CliClient, CliWorld } from '../../../src/cli/cli-world.ts';
import { runCli } from '../../../src/cli/main.ts';
import type { ConnectOptions } from '../../../src/client/client.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

/** The time in every fake world. */
export const NOW = Date.parse('2026-01-31T10:00:00.000Z');

/** Surroundings that spawn, open and print nothing; what was written and asked for is kept. */
export interface FakeWorld extends CliWorld {
  readonly written: { stdout: string; stderr: string };
  readonly connects: ConnectOptions[];
  readonly exits: number[];
  closed: boolean;
  /** Sends a signal to whoever listens. */
  signal(name: NodeJS.Signals): void;
}

/** Of a client what a test brings, down to the verbs. */
type SomeClient = {
  [K in keyof CliClient]?: CliClient[K] extends (...args: never) => unknown ? CliClient[K] : Partial<CliClient[K]>;
};

export interface FakeOptions {
  client?: SomeClient;
  /** Instead of a connection: what connecting fails with. */
  connectError?: Error;
  env?: Record<string, string>;
  stdin?: string;
  /** Standard output is a terminal of so many columns. */
  columns?: number;
}

/** A world for one command line. */
export function fakeWorld(options: FakeOptions = {}): FakeWorld {
  const { client = {}, connectError, env = {}, stdin = '', columns } = options;
  const written = { stdout: '', stderr: '' };
  const listeners = new Set<(name: NodeJS.Signals) => void>();
  const world: FakeWorld = {
    written,
    connects: [],
    exits: [],
    closed: false,
    stdout: {
      write: (text) => {
        written.stdout += text;
      },
      ...(columns === undefined ? {} : { isTTY: true, columns }),
    },
    stderr: {
      write: (text) => {
        written.stderr += text;
      },
    },
    env,
    workingFolder: '/somewhere',
    clock: new VirtualClock(NOW),
    readStdin: async () => stdin,
    connect: async (connectOptions) => {
      world.connects.push(connectOptions);
      if (connectError !== undefined) throw connectError;
      const close = async (): Promise<void> => {
        world.closed = true;
      };
      // Only what a test brings is used by the command that it runs.
      return { ...client, close } as unknown as CliClient;
    },
    onSignal: (_signals, listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onRejection: () => {},
    exit: (code) => world.exits.push(code),
    signal: (name) => {
      for (const listener of listeners) listener(name);
    },
  };
  return world;
}

/** Runs a command line in a fake world. */
export async function rota(
  argv: readonly string[],
  options: FakeOptions = {},
): Promise<{ code: number; stdout: string; stderr: string; world: FakeWorld }> {
  const world = fakeWorld(options);
  const code = await runCli(argv, world);
  return { code, ...world.written, world };
}
