import { type Clock, sleep } from '../../kernel/clock.ts';
import { RotaError } from '../../kernel/error.ts';
import type { Bus, Message } from '../../messaging/bus.ts';
import {
  QUEUE_VERBS,
  type QueueAnswer,
  type QueueLimits,
  type QueueView,
  readLimit,
  readPause,
  readPurge,
  readQueueName,
  readScale,
} from '../../messaging/contract/queue-requests.ts';
import { emptyRequest, readRequest, unknownVerb } from '../../messaging/contract/request.ts';
import { answer, refuse } from '../../messaging/reply.ts';
import type { Subjects } from '../../messaging/subjects.ts';
import type { QueueChange, QueueRecord } from '../../store/queue-record.ts';
import type { EventTeller } from '../event-teller.ts';
import type { StoreClient } from '../store-client.ts';
import { limitOn, queueView } from './queue-view.ts';
import type { Registry } from './registry.ts';
import { sweep } from './sweep.ts';

/** What the desk asks. */
export interface QueueDeskWorld {
  bus: Bus;
  subjects: Subjects;
  store: StoreClient;
  registry: Registry;
  clock: Clock;
  tell: EventTeller;
  /** How often a queue that becomes quiet is looked at when nothing was told of it, in milliseconds. */
  pollMs: number;
}

/** Pauses that may wait for their queues at once; one more is answered `overloaded`. */
const PAUSES_MAX = 1_000;
const ALL = 'all';

/** Serves `ctl.queue.<verb>`: what operators say of queues, which is stored and holds until it is lifted. */
export class QueueDesk {
  readonly #world: QueueDeskWorld;
  readonly #closed = new AbortController();
  #pauses = 0;

  constructor(world: QueueDeskWorld) {
    this.#world = world;
  }

  /** Deals with one request. @throws RotaError what it is refused with */
  async serve(verb: string, message: Message): Promise<void> {
    const body = message.body.value;
    const known = QUEUE_VERBS.find((word) => word === verb);
    switch (known) {
      case 'list':
        readRequest(body, emptyRequest);
        return answer(message, { queues: await this.#list() });
      case 'pause':
        return this.#pause(message);
      case 'resume':
        return answer(message, await this.#resume(readQueueName(body)));
      case 'scale':
        return answer(message, await this.#scale(readScale(body)));
      case 'limit':
        return answer(message, await this.#limit(readLimit(body)));
      case 'purge':
        return answer(message, await this.#purge(readPurge(body)));
      case undefined:
        throw unknownVerb(verb, 'queues', QUEUE_VERBS);
    }
  }

  /** Answers the pauses that wait. */
  close(): void {
    this.#closed.abort();
  }

  async #list(): Promise<QueueView[]> {
    const { registry, store } = this.#world;
    const [nodes, records] = await Promise.all([registry.nodes(), store.ask('queues', {})]);
    const said = new Map(records.map((record) => [record.queue, record]));
    const names = [...new Set(nodes.flatMap(({ queues }) => queues.map(({ name }) => name)))].sort();
    return Promise.all(
      names.map(async (name) => {
        const { byState: counts } = await store.ask('count', { filter: { queue: name } });
        return queueView({ name, nodes, counts, said: said.get(name) });
      }),
    );
  }

  /** The claims stop at the commit; the answer comes at once, or when nothing executes any more. */
  async #pause(message: Message): Promise<void> {
    const { queue, waitMs } = readPause(message.body.value);
    if (waitMs > 0 && this.#pauses >= PAUSES_MAX) {
      throw new RotaError('overloaded', `${PAUSES_MAX} pauses wait for their queues; retry later`);
    }
    const { said, changed } = await this.#change(queue, { paused: true });
    if (changed) this.#tell(queue, 'paused', {});
    if (waitMs === 0) return answer(message, await this.#view(said));
    // Not awaited: it may take a minute and must not count against the inbox.
    this.#pauses += 1;
    this.#quiet(queue, waitMs)
      // Somebody may have resumed it meanwhile: the answer tells what holds now.
      .then(async (quiet) => ({ ...(await this.#view(await this.#said(said))), ...(quiet ? {} : { timedOut: true }) }))
      .then((view) => answer(message, view))
      .catch((error: unknown) => refuse(message, error))
      .finally(() => {
        this.#pauses -= 1;
      });
  }

  async #resume(queue: string): Promise<QueueAnswer> {
    const { said, changed } = await this.#change(queue, { paused: false });
    if (changed) this.#tell(queue, 'resumed', {});
    return this.#view(said);
  }

  async #scale({
    queue,
    ...scale
  }: {
    queue: string;
    limit: number | null;
    node: string | null;
  }): Promise<QueueAnswer> {
    const { node, limit } = scale;
    const nodes = await this.#world.registry.nodes();
    // A limit may be lifted for a node that is gone, but a typing mistake must not look like a success.
    if (node !== null && limit !== null && !nodes.some((one) => one.node === node)) {
      throw new RotaError('not_found', `no living node is called "${node}"`);
    }
    const { said, changed } = await this.#change(queue, { scale });
    const scope = node ?? ALL;
    if (changed) this.#tell(queue, 'scaled', { scope, limit });
    const view = await this.#view(said);
    return node === null ? view : { ...view, limit: limitOn(node, { name: queue, nodes, said }), scope };
  }

  async #limit({ queue, limits }: { queue: string; limits: Partial<QueueLimits> }): Promise<QueueAnswer> {
    const { rate, ...others } = limits;
    const period = rate === undefined ? {} : { rate: rate && { limit: rate.limit, periodMs: rate.period } };
    const { said, changed } = await this.#change(queue, { ...others, ...period });
    const view = await this.#view(said);
    const { globalLimit, rate: now, partition } = view;
    if (changed) this.#tell(queue, 'limited', { globalLimit, rate: now, partition });
    return view;
  }

  async #purge({ queue, states }: ReturnType<typeof readPurge>): Promise<{ count: number }> {
    const { registry } = this.#world;
    await registry.mustKnowQueue(queue);
    const count = await sweep(this.#world, { action: 'delete', filter: { queue, states } });
    this.#tell(queue, 'purged', { states, count });
    return { count };
  }

  async #change(queue: string, change: QueueChange): Promise<{ said: QueueRecord; changed: boolean }> {
    const { store, clock, registry } = this.#world;
    await registry.mustKnowQueue(queue);
    const { queue: said, changed } = await store.ask('changeQueue', { now: clock.now(), queue, change });
    return { said, changed };
  }

  /** What is said of a queue by now. */
  async #said(before: QueueRecord): Promise<QueueRecord> {
    const [now] = await this.#world.store.ask('queues', { queues: [before.queue] });
    return now ?? { ...before, paused: false };
  }

  async #view(said: QueueRecord): Promise<QueueAnswer> {
    const { registry, store } = this.#world;
    const { queue: name } = said;
    const [nodes, count] = await Promise.all([registry.nodes(), store.ask('count', { filter: { queue: name } })]);
    return { ...queueView({ name, nodes, counts: count.byState, said }), scope: ALL };
  }

  #tell(queue: string, what: string, data: Record<string, unknown>): void {
    this.#world.tell({ kind: 'queue', name: queue, what, data: { queue, scope: ALL, ...data, by: 'operator' } });
  }

  /** Whether nothing of a queue executes any more before the time is over. What is told of its jobs wakes; polls decide. */
  async #quiet(queue: string, waitMs: number): Promise<boolean> {
    const { bus, subjects, store, clock, pollMs } = this.#world;
    const endMs = clock.monotonicMs() + waitMs;
    let woken = new AbortController();
    const subscription = bus.subscribe(subjects.event('job', queue, '*'), {}, () => woken.abort());
    const close = (): void => woken.abort();
    this.#closed.signal.addEventListener('abort', close);
    try {
      for (;;) {
        woken = new AbortController();
        const { byState } = await store.ask('count', { filter: { queue } });
        if (byState.executing === 0) return true;
        const leftMs = endMs - clock.monotonicMs();
        if (leftMs <= 0 || this.#closed.signal.aborted) return false;
        await sleep(clock, Math.min(leftMs, pollMs), woken.signal);
      }
    } finally {
      subscription.unsubscribe();
      this.#closed.signal.removeEventListener('abort', close);
    }
  }
}
