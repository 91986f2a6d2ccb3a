import type { IdSource } from '../../src/kernel/identity.ts';
import type { Complain } from './job-history.ts';
import { type HandlerWatcher, QUEUE_LIMITS } from './sim-jobs.ts';
import type { SimProcess } from './sim-process.ts';
import type { Trace } from './trace.ts';

/** Watches handlers: no (id, run) is begun twice, and no node runs more of a queue than its limit. */
export class Handlers {
  readonly complain: Complain;
  /** Jobs that handlers wanted to enqueue, and their types. */
  readonly wanted = new Map<string, string>();
  readonly #trace: Trace;
  /** In which life each run of a job was begun, by its id. */
  readonly #begun = new Map<string, Map<number, string>>();
  readonly #running = new Map<string, number>();
  /** Lives in which an actor crashed: what its handlers still do is nobody's. */
  readonly #crashed = new Set<string>();
  readonly #scaled = new Set<string>();

  constructor(trace: Trace, complain: Complain) {
    this.#trace = trace;
    this.complain = complain;
  }

  /** From now on the limit of a queue is another one. */
  scaled(queue: string): void {
    this.#scaled.add(queue);
  }

  /** A job is deleted: who still asks for it, unanswered, makes another one with its id. */
  deleted(id: string): void {
    this.#begun.delete(id);
  }

  crashed(life: string): void {
    this.#crashed.add(life);
  }

  died(life: string): void {
    for (const key of this.#running.keys()) if (key.startsWith(`${life} `)) this.#running.delete(key);
  }

  /** What the handlers of one life are given. */
  watcher(process: SimProcess, newId: IdSource): HandlerWatcher {
    const life = process.name;
    return {
      ...{ clock: process.handlerClock, newId },
      began: ({ id, run, queue }) => {
        if (process.dead) return;
        this.#trace.add(`${life} handler`, `${id} run ${run} begins`);
        const runs = this.#begun.get(id) ?? new Map<number, string>();
        const before = runs.get(run);
        if (before !== undefined)
          this.complain('a run is begun once', id, `run ${run} was begun by ${before} and ${life}`);
        this.#begun.set(id, runs.set(run, life));
        this.#count(life, queue, 1);
      },
      ended: ({ id, run, queue }) => {
        if (process.dead) return;
        this.#trace.add(`${life} handler`, `${id} run ${run} ends`);
        this.#count(life, queue, -1);
      },
      wants: (id, type) => this.wanted.set(id, type),
    };
  }

  #count(life: string, queue: string, by: number): void {
    const key = `${life} ${queue}`;
    const running = (this.#running.get(key) ?? 0) + by;
    this.#running.set(key, running);
    const limit = QUEUE_LIMITS[queue as keyof typeof QUEUE_LIMITS];
    if (by > 0 && running > limit && !this.#crashed.has(life) && !this.#scaled.has(queue)) {
      this.complain('limits', life, `${running} handlers of ${queue} run, ${limit} may`);
    }
  }
}
