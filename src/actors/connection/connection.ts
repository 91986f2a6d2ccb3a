import { type Clock, sleep } from '../../kernel/clock.ts';
import { errorText, RotaError } from '../../kernel/error.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Bus } from '../../messaging/bus.ts';
import type { Service, ServiceScope } from '../service.ts';

/** A connection to other processes. It mends itself; `closed` resolves when it never will again. */
export interface RemoteBus extends Bus {
  readonly closed: Promise<unknown>;
}

/** The bus of this process, which outlives its connections. */
export interface Attachable {
  attach(remote: Bus): void;
  detach(): void;
}

/** What the connection actor works with. */
export interface ConnectionWorld {
  /** Connects once. @throws RotaError `connection` when it did not succeed in time, `invalid_config` when it never can */
  connect(): Promise<RemoteBus>;
  route: Attachable;
  clock: Clock;
  log: Logger;
}

const RETRY_MS = 1_000;

/**
 * The connection to NATS. An outage is a state and not a crash: not even the first connect need succeed for the node to
 * go on with what it can do alone. Ready after the first try, whatever came of it.
 */
export async function startConnection(world: ConnectionWorld, { fail, signal }: ServiceScope): Promise<Service> {
  const { connect, route, clock, log } = world;
  let remote: RemoteBus | undefined;

  const tryOnce = async (): Promise<boolean> => {
    try {
      const made = await connect();
      if (signal.aborted) {
        await made.close();
        return false;
      }
      remote = made;
      watch(made);
      route.attach(made);
      return true;
    } catch (error) {
      if (error instanceof RotaError && error.code === 'invalid_config') throw error;
      log.warn({ error: errorText(error) }, 'NATS cannot be reached; what needs it waits, and it is tried again');
      return false;
    }
  };
  const watch = (made: RemoteBus): void => {
    made.onState((state) => {
      // What we let go of ourselves is no outage.
      if (signal.aborted || remote !== made) return;
      if (state === 'down') log.warn({}, 'NATS is away; running handlers go on, and all resumes by itself');
      else log.info({}, 'NATS is back');
    });
    made.closed.then((reason) => {
      if (!signal.aborted && remote === made)
        fail(reason ?? new RotaError('connection', 'the NATS connection was closed'));
    });
  };
  const keepTrying = async (): Promise<void> => {
    while (!signal.aborted) {
      await sleep(clock, RETRY_MS, signal);
      if (signal.aborted || (await tryOnce())) return;
    }
  };
  const leave = (): Promise<void> => {
    const left = remote;
    remote = undefined;
    route.detach();
    return left?.close() ?? Promise.resolve();
  };

  if (!(await tryOnce())) keepTrying().catch(fail);
  return { stop: leave, kill: () => void leave().catch(() => {}) };
}
