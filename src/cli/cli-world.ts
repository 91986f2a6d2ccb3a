import type { ConnectOptions, RotaClient } from '../client/client.ts';
import type { Clock } from '../kernel/clock.ts';

/** Where text goes: the part of a stream that the command line uses. */
export interface TextStream {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

/** The part of a client that commands use; a test brings its own. */
export type CliClient = Pick<
  RotaClient,
  'enqueue' | 'get' | 'list' | 'wait' | 'events' | 'close' | 'cancel' | 'retry' | 'delete' | 'update'
> & {
  readonly queues: { list(): Promise<readonly object[]> } & Pick<
    RotaClient['queues'],
    'pause' | 'resume' | 'scale' | 'limit' | 'purge'
  >;
  readonly schedules: { list(): Promise<readonly object[]> } & Pick<
    RotaClient['schedules'],
    'get' | 'put' | 'delete' | 'pause' | 'resume' | 'run' | 'preview'
  >;
  readonly rejected: { list(): Promise<readonly object[]> };
  readonly nodes: { list(): Promise<readonly object[]>; types(): Promise<readonly object[]> } & Pick<
    RotaClient['nodes'],
    'tree'
  >;
};

/** Everything outside of the command line that a command may touch. */
export interface CliWorld {
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Paths on the command line are relative to it. */
  readonly workingFolder: string;
  readonly clock: Clock;
  readStdin(): Promise<string>;
  connect(options: ConnectOptions): Promise<CliClient>;
  /** Calls the listener at each of these signals until the returned function is called. */
  onSignal(signals: readonly NodeJS.Signals[], listener: (signal: NodeJS.Signals) => void): () => void;
  /** Calls the listener with each rejection that nobody handled; without it one ends the program. */
  onRejection(listener: (reason: unknown) => void): void;
  /** Ends the program at once. */
  exit(code: number): void;
}

/** The program's real surroundings. */
export function systemWorld(clock: Clock): CliWorld {
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    workingFolder: process.cwd(),
    clock,
    readStdin: async () => {
      let text = '';
      process.stdin.setEncoding('utf8');
      for await (const chunk of process.stdin) text += chunk;
      return text;
    },
    connect: async (options) => (await import('../client/client.ts')).connect(options),
    onSignal: (signals, listener) => {
      for (const signal of signals) process.on(signal, listener);
      return () => {
        for (const signal of signals) process.removeListener(signal, listener);
      };
    },
    onRejection: (listener) => process.on('unhandledRejection', listener),
    exit: (code) => process.exit(code),
  };
}
