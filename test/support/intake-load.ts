import { setTimeout as wait } from 'node:timers/promises';
import { v7 } from 'uuid';
import { publish } from './intake-publisher.ts';
import type { PlainClient } from './plain-client.ts';

/** A message that the broker said it has, and what it is to become. */
export interface PublishedMessage {
  /** Its message id, which is also the tag of its jobs. */
  msgId: string;
  jobs: number;
  rejected: number;
}

/** Makes a job of a message, with fields of its own. */
type Make = (fields?: object) => object;

/** What is published, by turns: each with how many jobs and how many rejections it comes to. */
const KINDS: readonly { body: (job: Make) => unknown; jobs: number; rejected: number }[] = [
  { body: (job) => job(), jobs: 1, rejected: 0 },
  { body: (job) => job({ id: v7() }), jobs: 1, rejected: 0 },
  { body: (job) => [job(), job(), job()], jobs: 3, rejected: 0 },
  { body: (job) => job({ type: 'nobody.knows' }), jobs: 0, rejected: 1 },
  { body: (job) => ({ each: [job(), job({ priority: 99 })] }), jobs: 1, rejected: 1 },
];

/** A program that keeps publishing to the durable intake and remembers what the broker said it has. */
export class IntakeLoad {
  readonly published: PublishedMessage[] = [];
  readonly #client: PlainClient;
  readonly #pauseMs: number;
  readonly #type: string;
  readonly #loop: Promise<void>;
  #stopped = false;

  /**
   * Begins at once.
   * @param pauseMs between two messages, in milliseconds
   * @param type of the jobs that are asked for
   */
  constructor(client: PlainClient, pauseMs: number, type = 'inline.work') {
    this.#client = client;
    this.#pauseMs = pauseMs;
    this.#type = type;
    this.#loop = this.#run();
  }

  /** Ends it when the broker has what is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loop;
  }

  /** Whether the broker has it; while nobody has made the stream it does not. */
  #publish(id: string, body: unknown): Promise<boolean> {
    return publish(this.#client.connection, 'default', body, { id }).then(
      () => true,
      () => false,
    );
  }

  async #run(): Promise<void> {
    for (let count = 0; !this.#stopped; count += 1) {
      const kind = KINDS[count % KINDS.length];
      if (kind === undefined) return;
      const { body, jobs, rejected } = kind;
      const msgId = `message-${count}`;
      const whole = body((fields) => ({ type: this.#type, tags: [msgId], ...fields }));
      while (!(await this.#publish(msgId, whole))) if (this.#stopped) return;
      this.published.push({ msgId, jobs, rejected });
      await wait(this.#pauseMs);
    }
  }
}
