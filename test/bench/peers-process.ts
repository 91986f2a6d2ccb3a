import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Handled, PeerReply, PeerRequest } from './peers-serve.ts';

/** Why a system could not be opened: its own words. */
export class PeerRefused extends Error {}

/** More than any measure takes, so that a system that hangs ends the bench. */
const ANSWER_MS = 180_000;

interface Waiting {
  resolve: (handled: Handled | undefined) => void;
  reject: (error: Error) => void;
}

/** A process that serves a peer: its own heap and event loop, as its users' programs have. */
export class PeerProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  name = '';

  /**
   * Forks a program of this folder with its settings.
   * @throws PeerRefused when the peer could not be opened with them
   */
  static async start(program: string, settings: unknown): Promise<PeerProcess> {
    const file = fileURLToPath(new URL(program, import.meta.url));
    const process = new PeerProcess(fork(file, [JSON.stringify(settings)], { serialization: 'advanced' }));
    const [reply] = (await Promise.race([
      once(process.#child, 'message'),
      once(process.#child, 'exit').then(([code]) => {
        throw new Error(`${program} ended with code ${code}`);
      }),
    ])) as [PeerReply];
    if ('refused' in reply) throw new PeerRefused(reply.refused);
    if ('ready' in reply) process.name = reply.ready;
    process.#child.on('message', (next: PeerReply) => process.#read(next));
    process.#child.once('exit', (code) => {
      for (const { reject } of process.#waiting.values()) reject(new Error(`${program} ended with code ${code}`));
    });
    return process;
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /**
   * Resolves with what handlers did, where the request asks for it.
   * @throws Error when the peer says so, is gone, or does not answer in three minutes
   */
  async ask(request: PeerRequest): Promise<Handled | undefined> {
    if (!this.#child.connected) throw new Error(`${this.name} has gone`);
    this.#lastId += 1;
    const id = this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<Handled | undefined>();
    this.#waiting.set(id, { resolve, reject });
    const late = (): void => reject(new Error(`${this.name} did not do ${request.do} in ${ANSWER_MS} ms`));
    const timer = setTimeout(late, ANSWER_MS);
    this.#child.send({ id, request });
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  async close(): Promise<void> {
    const exited = once(this.#child, 'exit');
    await this.ask({ do: 'close' });
    await exited;
  }

  /** At once, whatever it does: for the end of a bench that failed. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #read(reply: PeerReply): void {
    if (!('done' in reply)) return;
    const waiting = this.#waiting.get(reply.id);
    if (reply.done) waiting?.resolve(reply.handled);
    else waiting?.reject(new Error(reply.error));
  }
}
