import { integer, object, optional, string } from '../../kernel/check.ts';
import type { Clock } from '../../kernel/clock.ts';
import { timeText } from '../../kernel/clock.ts';
import { RotaError } from '../../kernel/error.ts';
import { isToken } from '../../kernel/identity.ts';
import type { Bus, Message } from '../../messaging/bus.ts';
import { emptyRequest, readRequest, unknownVerb } from '../../messaging/contract/request.ts';
import { answer, ask } from '../../messaging/reply.ts';
import type { Subjects } from '../../messaging/subjects.ts';
import { STORE_TIMEOUT_MS, type StoreClient } from '../store-client.ts';
import type { QueueDesk } from './queue-desk.ts';
import type { Registry } from './registry.ts';
import type { ScheduleDesk } from './schedule-desk.ts';

/** What the desk asks. */
export interface ControlDeskWorld {
  bus: Bus;
  subjects: Subjects;
  store: StoreClient;
  registry: Registry;
  /** Serves `ctl.queue.<verb>`. */
  queueDesk: QueueDesk;
  /** Serves `ctl.schedule.<verb>`. */
  scheduleDesk: ScheduleDesk;
  clock: Clock;
  node: string;
}

/** The control subjects that are served here, as `<kind>.<verb>`; those of queues and schedules have desks of their own. */
export const CONTROL_VERBS = ['node.list', 'node.tree', 'node.types', 'rejected.list'] as const;

/** Waiting jobs that are looked at for types which no living node knows. */
const WAITING_TYPES_ROWS_MAX = 50_000;

/** Rejected messages that one page has at most, and by default. */
const REJECTED_LIMIT = 1_000;
const rejectedRequest = object({
  limit: optional(integer(1, REJECTED_LIMIT)),
  cursor: optional(string({ max: 16, what: 'a cursor of the page before' })),
});
const treeRequest = object({ node: optional(string({ max: 64, accept: isToken, what: 'a node name' })) });

/** Serves `ctl.queue.<verb>` and `ctl.schedule.<verb>` by their desks, `ctl.node.list|tree|types`, `ctl.rejected.list`. */
export class ControlDesk {
  readonly #world: ControlDeskWorld;

  constructor(world: ControlDeskWorld) {
    this.#world = world;
  }

  /** Deals with one request. @throws RotaError what it is refused with */
  async serve(kind: string, verb: string, message: Message): Promise<void> {
    if (kind === 'queue') return this.#world.queueDesk.serve(verb, message);
    if (kind === 'schedule') return this.#world.scheduleDesk.serve(verb, message);
    const body = message.body.value;
    const name = `${kind}.${verb}`;
    const known = CONTROL_VERBS.find((word) => word === name);
    if (known !== undefined && known !== 'node.tree' && known !== 'rejected.list') readRequest(body, emptyRequest);
    switch (known) {
      case 'node.list':
        return answer(message, { nodes: await this.#nodes() });
      case 'node.types':
        return answer(message, { types: await this.#types() });
      case 'node.tree':
        return answer(message, await this.#tree(readRequest(body, treeRequest).node));
      case 'rejected.list':
        return answer(message, await this.#rejected(readRequest(body, rejectedRequest)));
      case undefined:
        throw unknownVerb(name, 'control', CONTROL_VERBS);
    }
  }

  /** Newest first. `limit` and `cursor` are additions, as in `job.list`. */
  async #rejected({ limit = REJECTED_LIMIT, cursor }: { limit?: number; cursor?: string }): Promise<object> {
    const { store, bus } = this.#world;
    const page = { limit, bytesMax: bus.payloadBytesMax / 2, ...(cursor === undefined ? {} : { cursor }) };
    const { rejected, cursor: next } = await store.ask('rejected', page);
    return { rejected: rejected.map(({ key: _key, at, ...rest }) => ({ at: timeText(at), ...rest })), cursor: next };
  }

  async #nodes(): Promise<object[]> {
    const { registry, store, clock } = this.#world;
    const [nodes, leader] = await Promise.all([registry.nodes(), store.ask('leader', {})]);
    return nodes.map(({ node, instance, version, roles, startedAt, seenAt, refused }) => ({
      name: node,
      instance,
      version,
      roles,
      startedAt: timeText(startedAt),
      uptimeMs: Math.max(0, clock.now() - startedAt),
      leader: leader !== null && leader.instance === instance && leader.until > clock.now(),
      lastBeat: timeText(seenAt),
      refused,
    }));
  }

  async #types(): Promise<object[]> {
    const nodes = await this.#world.registry.nodes();
    const byType = new Map<string, object>();
    for (const { types } of nodes) {
      for (const { type, queue, hasSchema, schema } of types) {
        if (!byType.has(type)) byType.set(type, { type, queue, hasSchema, schema: schema ?? null, nodes: [] });
      }
    }
    for (const { node, types } of nodes) {
      for (const { type, runs } of types) {
        if (runs) (byType.get(type) as { nodes: string[] } | undefined)?.nodes.push(node);
      }
    }
    // A type that was removed in a deploy: its jobs wait and are not burned, and here it can be seen.
    for (const { type, queue } of await this.#world.store.ask('waitingTypes', { limit: WAITING_TYPES_ROWS_MAX })) {
      if (!byType.has(type)) byType.set(type, { type, queue, hasSchema: false, schema: null, nodes: [] });
    }
    return [...byType.values()];
  }

  async #tree(node: string = this.#world.node): Promise<unknown> {
    const { bus, subjects } = this.#world;
    try {
      return await ask(bus, subjects.actor(node, 'node', 'tree'), { value: {}, timeoutMs: STORE_TIMEOUT_MS });
    } catch (cause) {
      if (node === this.#world.node) throw cause;
      throw new RotaError('not_found', `no living node is called "${node}"`, { cause });
    }
  }
}
