import { STOP_MARGIN_MS } from '../actors/executor/executor.ts';
import { executorName, queueActorName } from '../actors/executor/messages.ts';
import type { RotaClient } from '../client/rota-client.ts';
import { atMost, timeText } from '../kernel/clock.ts';
import { errorText } from '../kernel/error.ts';
import { ask } from '../messaging/reply.ts';
import { nextTick } from '../scheduler/due-ticks.ts';
import type { Supervisor, TreeNode } from '../supervisor/supervisor.ts';
import { closeServices } from './close-services.ts';
import type { DataLock } from './data-lock.ts';
import { shownServers } from './nats-setting-names.ts';
import { queueLimits } from './tree-parts.ts';
import type { World } from './world.ts';

/** What a running node is made of. */
export interface RotaParts {
  world: World;
  root: Supervisor;
  lock: DataLock | undefined;
  /** The services are the config's: closed at stop. */
  ownsServices: boolean;
}

/** How long a stop waits for its last events to be out, in milliseconds. */
const LAST_EVENTS_MS = 2_000;

/** A running node. */
export class Rota {
  readonly #parts: RotaParts;
  #stopped: Promise<void> | undefined;
  /** Talks to this node without a trip through the broker. */
  readonly client: RotaClient;
  /** Resolves when the tree has ended: `stopped` by {@link stop}, or `gave-up` by its own rules. */
  readonly ended: Promise<'stopped' | 'gave-up'>;

  constructor(parts: RotaParts) {
    this.#parts = parts;
    this.client = parts.world.client;
    this.ended = parts.root.exited.then(() => (this.#stopped === undefined ? 'gave-up' : 'stopped'));
  }

  /** The node's name, made unique if the one wanted was taken. */
  get node(): string {
    return this.#parts.world.settings.node;
  }

  /** Where NATS is, for other programs. */
  get natsUrl(): string {
    const { natsServer, settings } = this.#parts.world;
    return natsServer?.url ?? (settings.nats.kind === 'servers' ? settings.nats.servers.join(',') : '');
  }

  /** The supervision tree as plain data. */
  tree(): TreeNode {
    return this.#parts.root.tree();
  }

  /** Tells that the node has started. Called once, by `start`. */
  announce(): void {
    const { world } = this.#parts;
    const { log, tell, settings, clock, startedAt, version } = world;
    for (const { name, declaration, anchorAt } of world.configuration.schedules) {
      const schedule = {
        name,
        declaration,
        anchorAt,
        cursorAt: startedAt,
        runs: 0,
        pausedBy: null,
        endedAt: null,
        lastState: null,
      };
      const next = nextTick(schedule, clock.now());
      log.info({ schedule: name, nextAt: next === undefined ? null : timeText(next.fireAt) }, 'schedule');
    }
    const queues = Object.fromEntries(queueLimits(world));
    const { node, roles, dataFolder } = settings;
    const tree = this.#parts.root.tree().children?.map(({ id }) => id) ?? [];
    log.info({ version, nats: shownServers([this.natsUrl]), dataFolder, roles: [...roles], queues, tree }, 'started');
    tell({ kind: 'node', name: node, what: 'started', data: { node, version, roles: [...roles] } });
  }

  /**
   * Stops in order: no more ticks and claims; handlers run on until the grace ends, then their signals abort, what they
   * return within 2 s is settled and the rest released; last events go out; the tree ends.
   * @param options `graceMs` instead of the setting, in milliseconds
   */
  stop(options: { graceMs?: number } = {}): Promise<void> {
    this.#stopped ??= this.#stop(options.graceMs ?? this.#parts.world.settings.graceMs);
    return this.#stopped;
  }

  async #stop(graceMs: number): Promise<void> {
    const { world, root, lock, ownsServices } = this.#parts;
    const { log, tell, settings, route, clock } = world;
    const { node } = settings;
    log.info({ graceMs }, 'stopping');
    tell({ kind: 'node', name: node, what: 'stopping', data: { node, graceMs } });
    await this.#end('scheduling');
    const queues = settings.roles.has('queues') ? [...queueLimits(world).keys()] : [];
    await Promise.all(queues.map((queue) => this.#drain(queue, graceMs)));
    for (const part of ['queues', 'sql-intake', 'durable-intake', 'intake', 'node', 'persistence'])
      await this.#end(part);
    tell({ kind: 'node', name: node, what: 'stopped', data: { node } });
    await atMost(
      clock,
      LAST_EVENTS_MS,
      route.flush().catch(() => {}),
    );
    await root.stop();
    await route.close();
    // What handlers that were left behind still wanted to enqueue is not tried again.
    await world.client.close();
    if (ownsServices) await closeServices(world);
    lock?.release();
    log.info({}, 'stopped');
  }

  /** Stops one part; one that does not run, or is not of this node's roles, has stopped. */
  async #end(id: string): Promise<void> {
    await this.#parts.root.terminateChild(id).catch(() => {});
  }

  /** Ends the claims of a queue, then waits for its handlers. A part that is away has nothing to drain. */
  async #drain(queue: string, graceMs: number): Promise<void> {
    const { route, subjects, settings, log } = this.#parts.world;
    const timeoutMs = graceMs + STOP_MARGIN_MS;
    const drain = async (name: string, value: object): Promise<void> => {
      try {
        await ask(route, subjects.actor(settings.node, name, 'drain'), { value, timeoutMs });
      } catch (error) {
        log.warn({ queue, part: name, error: errorText(error) }, 'a part of the queue could not be drained');
      }
    };
    await drain(queueActorName(queue), {});
    await drain(executorName(queue), { graceMs });
  }
}
