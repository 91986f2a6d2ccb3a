import { parentPort, type Transferable } from 'node:worker_threads';
import { nextTurn } from '../kernel/clock.ts';
import { isOfType } from './thread-host.ts';

/** What the inside of a host does. */
export interface HostedOptions {
  /** Done before it says that it is ready. A throw ends it with an error. */
  readonly onStart?: () => void | Promise<void>;
  /** Whatever the outside posts. A throw ends it with an error. */
  readonly onMessage?: (message: unknown) => void;
  /** Asked to stop: cleans up; then it exits with 0. */
  readonly onShutdown?: () => void | Promise<void>;
  /**
   * Of a process: SIGTERM is not taken as a request to stop, only the outside's message is. For what does work of the
   * outside: a service manager signals all processes at once, and the outside has a grace to give.
   */
  readonly ignoreSignals?: boolean;
}

/** The inside of a thread host. */
export interface HostedThread {
  post(message: unknown, transfer?: readonly Transferable[]): void;
}

/** The inside of a process host. */
export interface HostedProcess {
  post(message: unknown): void;
}

/**
 * The inside of `threadActor`, to be called once in the thread's module: says when it is ready, cleans up and exits when
 * asked, and exits when the outside is gone.
 */
export function hostedThread(options: HostedOptions = {}): HostedThread {
  const port = parentPort;
  if (!port) throw new Error('hostedThread is for the inside of a worker thread');
  port.on('message', serveWith(options));
  port.on('close', () => process.exit(0));
  void begin(options, () => port.postMessage({ type: 'ready' }));
  return { post: (message, transfer = []) => port.postMessage(message, transfer) };
}

/**
 * The inside of `processActor` with `ipc`, to be called once in the program: says when it is ready, cleans up and exits
 * when asked by SIGTERM, and exits when the outside is gone, however it went. SIGINT from a terminal reaches the outside
 * too, which decides.
 */
export function hostedProcess(options: HostedOptions = {}): HostedProcess {
  if (!process.send) throw new Error('hostedProcess is for a program that processActor has spawned with ipc');
  const send = process.send.bind(process);
  const serve = serveWith(options);
  const lost = (): void => process.exit(1);
  process.on('message', serve);
  process.on('disconnect', lost);
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => (options.ignoreSignals ? undefined : serve({ type: 'shutdown' })));
  if (options.ignoreSignals) process.on('SIGHUP', () => {});
  if (!process.connected) lost();
  void begin(options, () => send({ type: 'ready' }));
  return { post: (message) => void send(message) };
}

/** Ends this thread or process with an error, once what is said in this turn is on its way. */
export function endHosted(error: unknown): void {
  nextTurn(() => {
    throw error;
  });
}

// A rejection of onStart or onShutdown is left to Node: unhandled, it ends the thread or process with an error.

async function begin({ onStart }: HostedOptions, tellReady: () => void): Promise<void> {
  await onStart?.();
  tellReady();
}

function serveWith({ onMessage, onShutdown }: HostedOptions): (message: unknown) => void {
  let stopping = false;
  const stop = async (): Promise<void> => {
    await onShutdown?.();
    process.exit(0);
  };
  return (message) => {
    if (isOfType(message, 'die')) process.exit(1);
    if (!isOfType(message, 'shutdown')) {
      onMessage?.(message);
      return;
    }
    if (!stopping) void stop();
    stopping = true;
  };
}
