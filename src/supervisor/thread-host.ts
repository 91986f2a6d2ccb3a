import { type ResourceLimits, type Transferable, Worker } from 'node:worker_threads';
import { type HostControls, HostExitError, type Hosted, type HostLogic, hostLogic } from './host.ts';

/** What runs in a thread of its own. */
export interface ThreadOptions {
  /** The module that the thread runs; it calls `hostedThread`. */
  readonly url: URL;
  /** Shown in errors and by debuggers. */
  readonly name: string;
  readonly workerData?: unknown;
  readonly transferList?: readonly Transferable[];
  readonly execArgv?: readonly string[];
  readonly resourceLimits?: ResourceLimits;
  /** The thread's environment. Default: a copy of the process's. */
  readonly env?: NodeJS.ProcessEnv;
  /**
   * On a kill it first ends itself, when what it is doing has returned to its event loop, and is only terminated when that
   * takes longer, in milliseconds. For a thread that works in native code which may not be interrupted: terminated in the
   * middle of it, it can take the whole process with it. Default 0: terminated at once.
   */
  readonly killGraceMs?: number;
  /** Whatever the thread posts but `{ type: 'ready' }`. A throw ends the thread and fails the actor. */
  readonly onMessage?: (message: unknown) => void;
  /** Called when the thread was made, for those who pass it ports. */
  readonly onWorker?: (worker: Worker) => void;
}

/**
 * The logic of an actor that is a worker thread. Each start makes a new thread.
 *
 * It is ready ({@link isHostReady}) when the thread has posted `{ type: 'ready' }`. `shutdown` is passed on and the
 * thread given its time; a kill terminates it. An uncaught error in it, or an exit code other than 0, is an error of the
 * actor; exit code 0 its normal end. `{ type: 'post', message, transfer }` reaches the thread's `onMessage`.
 */
export function threadActor(options: ThreadOptions): HostLogic {
  return hostLogic((controls) => openThread(options, controls));
}

/** A thread without an actor around it, for those who keep many: what it tells goes to the controls. */
export function openThread(options: ThreadOptions, controls: HostControls): Hosted {
  const { url, name, workerData, transferList = [], execArgv, resourceLimits, env, killGraceMs = 0 } = options;
  const worker = new Worker(url, {
    name,
    workerData,
    transferList: [...transferList],
    ...(execArgv && { execArgv: [...execArgv] }),
    ...(resourceLimits && { resourceLimits }),
    ...(env && { env }),
  });
  const gone = Promise.withResolvers<void>();
  let failure: { error: unknown } | undefined;
  worker.on('error', (error) => {
    failure ??= { error };
  });
  worker.on('message', (message: unknown) => {
    try {
      if (isOfType(message, 'ready')) controls.ready();
      else options.onMessage?.(message);
    } catch (error) {
      failure ??= { error };
      void worker.terminate();
    }
  });
  worker.on('exit', (exitCode) => {
    if (exitCode !== 0) failure ??= { error: new HostExitError(`thread "${name}"`, { exitCode }) };
    gone.resolve();
    controls.ended(failure);
  });
  options.onWorker?.(worker);
  return {
    ask: () => worker.postMessage({ type: 'shutdown' }),
    kill: () => {
      if (killGraceMs > 0) endOrTerminate(worker, killGraceMs, { clock: controls.clock, gone: gone.promise });
      else void worker.terminate();
    },
    post: (message, transfer) => worker.postMessage(message, transfer as Transferable[]), // Node refuses what is none
    gone: gone.promise,
  };
}

function endOrTerminate(
  worker: Worker,
  graceMs: number,
  { clock, gone }: { clock: HostControls['clock']; gone: Promise<void> },
): void {
  worker.postMessage({ type: 'die' });
  const timer = clock.setTimeout(() => void worker.terminate(), graceMs);
  void gone.then(() => clock.clearTimeout(timer));
}

/** Whether a message is one of the few that hosts and what they host say to each other. */
export function isOfType(message: unknown, type: 'ready' | 'shutdown' | 'die'): boolean {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === type;
}
