import { type FollowingClock, sleep } from '../../kernel/clock.ts';
import { errorText, RotaError } from '../../kernel/error.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Bus, Subscription } from '../../messaging/bus.ts';
import { answer, ask } from '../../messaging/reply.ts';
import type { Subjects } from '../../messaging/subjects.ts';
import type { NodeRecord } from '../../store/job-store.ts';
import { Periodic } from '../periodic.ts';
import type { Service } from '../service.ts';
import { storeClient } from '../store-client.ts';
import { startDiscovery } from './discovery.ts';

/** What the node actor works with. Durations are milliseconds. */
export interface NodeWorld {
  bus: Bus;
  subjects: Subjects;
  /** Is set by the store's time, so that a fleet has one. */
  clock: FollowingClock;
  beatMs: number;
  /** A node not seen for this long is not living, in milliseconds. */
  livingMs: number;
  /** What this node says of itself; `seenAt` is filled in. */
  record: Omit<NodeRecord, 'seenAt' | 'refused'>;
  /** The supervision tree as plain data. */
  tree(): unknown;
  log: Logger;
}

const FIRST_TRY_MS = 250;
const ANSWER_MS = 1_000;

/**
 * This node's place in the registry: registers, beats, tells its tree. Its queues and types are known from its first
 * registration on, so it starts before everything that serves them.
 */
export async function startNode(world: NodeWorld, signal: AbortSignal): Promise<Service> {
  const { bus, subjects, clock, beatMs, livingMs, record, tree, log } = world;
  const store = storeClient(bus, subjects, Math.max(beatMs, 1_000));
  const register = async (takeOver = false): Promise<boolean> => {
    const now = clock.now();
    const node = { ...record, seenAt: now, refused: { not_owner: 0, not_executing: 0, not_found: 0 } };
    const deadBefore = takeOver ? Number.MAX_SAFE_INTEGER : now - livingMs;
    const askedAt = clock.monotonicMs();
    const { answer: registered, now: storeNow } = await store.askTimed('registerNode', { now, deadBefore, node });
    if (storeNow !== undefined) followStore(world, { storeNow, tripMs: clock.monotonicMs() - askedAt });
    return !registered.taken;
  };
  const registerHere = async (): Promise<boolean> => (await register()) || (!(await answers(world)) && register(true));
  await untilRegistered(registerHere, world, signal);

  const subscription: Subscription = bus.subscribe(subjects.actor(record.node, 'node', 'tree'), {}, (message) =>
    answer(message, tree()),
  );
  const endDiscovery = startDiscovery({ bus, subjects, record });
  const beats = new Periodic({
    clock,
    firstMs: beatMs,
    duty: async () => {
      // A store that is away is told again at the next beat; the node is known for a while without.
      await register().catch((error: unknown) => log.debug({ error: errorText(error) }, 'the node could not beat'));
      return beatMs;
    },
  });
  const kill = (): void => {
    beats.kill();
    endDiscovery();
    subscription.unsubscribe();
  };
  return {
    kill,
    stop: async () => {
      kill();
      await beats.stop();
      await store.ask('removeNode', { node: record.node, instance: record.instance }).catch(() => {});
    },
  };
}

/** The store's time is the fleet's: leases, due times and schedules are by it, whatever this machine's clock says. */
function followStore({ clock, log }: NodeWorld, { storeNow, tripMs }: { storeNow: number; tripMs: number }): void {
  const before = clock.offsetMs;
  clock.follow(storeNow + tripMs / 2, tripMs / 2);
  if (clock.offsetMs === before) return;
  log.warn({ offsetMs: clock.offsetMs }, "this machine's clock is not the store's, by which this node goes now");
}

/** Whether a node with our name lives: one that was killed has a fresh record too, but gives no answer. */
async function answers({ bus, subjects, record }: NodeWorld): Promise<boolean> {
  try {
    await ask(bus, subjects.actor(record.node, 'node', 'tree'), { value: {}, timeoutMs: ANSWER_MS });
    return true;
  } catch (error) {
    return error instanceof RotaError && error.code === 'timeout';
  }
}

/** A store that is away is waited for; a name that a living node has is an error. */
async function untilRegistered(register: () => Promise<boolean>, world: NodeWorld, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      if (await register()) return;
    } catch (error) {
      world.log.debug({ error: errorText(error) }, 'the store is away; the node registers later');
      await sleep(world.clock, FIRST_TRY_MS, signal);
      continue;
    }
    throw new RotaError('conflict', `a living node is called "${world.record.node}" already`);
  }
}
