import { object, optional, string } from '../../kernel/check.ts';
import type { Clock } from '../../kernel/clock.ts';
import { timeText } from '../../kernel/clock.ts';
import { RotaError } from '../../kernel/error.ts';
import { isToken } from '../../kernel/identity.ts';
import type { Bus, Message } from '../../messaging/bus.ts';
import { emptyRequest, readRequest } from '../../messaging/contract/request.ts';
import { answer, ask } from '../../messaging/reply.ts';
import type { Subjects } from '../../messaging/subjects.ts';
import { scheduleView } from '../scheduler/schedule-view.ts';
import { STORE_TIMEOUT_MS, type StoreClient } from '../store-client.ts';
import type { Registry } from './registry.ts';

/** What the desk asks. */
export interface ControlDeskWorld {
  bus: Bus;
  subjects: Subjects;
  store: StoreClient;
  registry: Registry;
  clock: Clock;
  node: string;
}

/** The control subjects that are served, as `<kind>.<verb>`. */
export const CONTROL_VERBS = [
  'queue.list',
  'schedule.list',
  'node.list',
  'node.tree',
  'node.types',
  'rejected.list',
] as const;

const treeRequest = object({ node: optional(string({ max: 64, accept: isToken, what: 'a node name' })) });

/** Serves `ctl.queue.list`, `ctl.schedule.list`, `ctl.node.list|tree|types`, `ctl.rejected.list`. */
export class ControlDesk {
  readonly #world: ControlDeskWorld;

  constructor(world: ControlDeskWorld) {
    this.#world = world;
  }

  /** Deals with one request. @throws RotaError what it is refused with */
  async serve(kind: string, verb: string, message: Message): Promise<void> {
    const body = message.body.value;
    const name = `${kind}.${verb}`;
    const known = CONTROL_VERBS.find((word) => word === name);
    if (known !== undefined && known !== 'node.tree') readRequest(body, emptyRequest);
    switch (known) {
      case 'queue.list':
        return answer(message, { queues: await this.#queues() });
      case 'schedule.list':
        return answer(message, { schedules: await this.#schedules() });
      case 'node.list':
        return answer(message, { nodes: await this.#nodes() });
      case 'node.types':
        return answer(message, { types: await this.#types() });
      case 'node.tree':
        return answer(message, await this.#tree(readRequest(body, treeRequest).node));
      case 'rejected.list':
        // Only the durable intake rejects what nobody waits for, and there is none yet.
        return answer(message, { rejected: [] });
      case undefined: {
        const text = `"${name}" is no control verb; there are ${CONTROL_VERBS.join(', ')}`;
        throw new RotaError('invalid_request', text, { issues: [{ path: 'subject', message: text }] });
      }
    }
  }

  async #queues(): Promise<object[]> {
    const { registry, store } = this.#world;
    const nodes = await registry.nodes();
    const names = [...new Set(nodes.flatMap(({ queues }) => queues.map(({ name }) => name)))].sort();
    return Promise.all(
      names.map(async (name) => {
        const { byState } = await store.ask('count', { filter: { queue: name } });
        const hosts = nodes.flatMap(({ node, queues }) =>
          queues.filter((queue) => queue.name === name).map(({ limit, runs }) => ({ node, limit, runs })),
        );
        return {
          name,
          limit: hosts[0]?.limit ?? 0,
          globalLimit: null,
          rate: null,
          partition: null,
          paused: false,
          counts: byState,
          nodes: hosts.filter(({ runs }) => runs).map(({ node }) => node),
        };
      }),
    );
  }

  async #schedules(): Promise<object[]> {
    const records = await this.#world.store.ask('schedules', {});
    const now = this.#world.clock.now();
    return records.map((record) => scheduleView(record, now));
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
