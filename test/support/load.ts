import { setTimeout as wait } from 'node:timers/promises';
import type { PlainClient, WireJob } from './plain-client.ts';

/** Random numbers in [0, 1) that a seed repeats (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How a {@link Load} asks. */
export interface LoadOptions {
  /** How long each request rests after its answer, in milliseconds; 0, the default: as fast as the node is. */
  pauseMs?: number;
  /** Enqueues one job and answers its id; default: one of every fate that `crash-config.ts` knows. */
  one?: (client: PlainClient, random: () => number) => Promise<string>;
}

/** A program that keeps enqueuing jobs and remembers which were acknowledged. */
export class Load {
  /** Ids of jobs whose enqueue was answered. */
  readonly acknowledged: string[] = [];
  readonly #watchers = new Set<() => void>();
  readonly #loops: Promise<void>[];
  readonly #pauseMs: number;
  readonly #one: () => Promise<string>;
  #stopped = false;

  /** Begins at once, with a few requests under way at any time. */
  constructor(client: PlainClient, random: () => number, { pauseMs = 0, one = oneOfEveryFate }: LoadOptions = {}) {
    this.#pauseMs = pauseMs;
    this.#one = () => one(client, random);
    this.#loops = Array.from({ length: 2 }, () => this.#run());
  }

  /** Resolves when so many more were acknowledged. */
  more(count: number): Promise<void> {
    const wanted = this.acknowledged.length + count;
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.acknowledged.length < wanted) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
      look();
    });
  }

  /** Ends it; what is under way is still acknowledged. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loops);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.acknowledged.push(await this.#one());
      for (const look of [...this.#watchers]) look();
      if (this.#pauseMs > 0) await wait(this.#pauseMs);
    }
  }
}

function oneOfEveryFate(client: PlainClient, random: () => number): Promise<string> {
  const kind = Math.floor(random() * 8);
  const ms = Math.floor(random() * 60);
  if (kind === 0) return client.enqueue('work', { ms }, { scheduleIn: 300 + ms * 20 });
  if (kind === 1) return client.enqueue('work', { ms, fails: 1 });
  if (kind === 2) return client.enqueue('slow', { ms: ms * 5 }, { queue: 'slow' });
  if (kind === 3) return client.enqueue('odd', { how: 'text' });
  return client.enqueue('work', { ms });
}

/** How many jobs are in each state. */
export async function states(client: PlainClient): Promise<Record<string, number>> {
  return (await client.ask<{ byState: Record<string, number> }>('jobs.job.count', {})).byState;
}

/** Every job of these as it ended. Waits for all of them. */
export async function allEnded(client: PlainClient, ids: readonly string[]): Promise<WireJob[]> {
  const jobs: WireJob[] = [];
  for (let from = 0; from < ids.length; from += 200) {
    jobs.push(...(await Promise.all(ids.slice(from, from + 200).map((id) => client.ended(id)))));
  }
  return jobs;
}
