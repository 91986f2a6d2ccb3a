import { errorText, RotaError } from '../kernel/error.ts';
import { type Report, type Supervisor, SupervisorError, startSupervisor } from '../supervisor/supervisor.ts';
import { closeServices } from './close-services.ts';
import type { DataLock } from './data-lock.ts';
import { Rota } from './rota.ts';
import { treeOf } from './tree.ts';
import type { World } from './world.ts';

/** What a stop has to let go of beside the tree. */
export interface Belongings {
  lock: DataLock | undefined;
  /** The services are the config's: closed at stop. */
  ownsServices: boolean;
}

/**
 * Starts the tree of a node in a world. Resolves when all of it is ready.
 * @throws RotaError why a part could not be started
 */
export async function startTree(world: World, belongings: Belongings): Promise<Rota> {
  let root: Supervisor | undefined;
  // Into the world itself, so that whoever made it can look the tree up too.
  const withRoot = Object.assign(world, { root: () => root });
  const { clock, random, log, settings } = world;
  log.debug(
    { settings: { ...settings, nats: undefined, credentials: undefined, store: settings.store.kind } },
    'starting',
  );
  try {
    root = await startSupervisor(treeOf(withRoot), { clock, random, onReport: (report) => told(world, report) });
  } catch (error) {
    if (belongings.ownsServices) await closeServices(world);
    throw startError(error);
  }
  const rota = new Rota({ world: withRoot, root, ...belongings });
  rota.announce();
  return rota;
}

/** What the tree tells goes to the log and out as events. */
function told({ log, tell, settings }: World, { type, supervisor, id, incarnation, reason, leaked }: Report): void {
  const because = reason === undefined ? {} : { reason: errorText(reason) };
  const data = { supervisor, id, incarnation, ...because, ...(leaked ? { leaked } : {}) };
  const quiet = type === 'child-started' || (type === 'child-exited' && (reason === 'shutdown' || reason === 'normal'));
  if (quiet) log.debug(data, type);
  else log.warn(data, type);
  tell({ kind: 'supervisor', name: settings.node, what: type, about: `${supervisor}/${id}`, data });
}

/** Why a start failed, below what the supervisors say of it: what a person can do something about. */
function startError(error: unknown): unknown {
  let cause = error;
  while (cause instanceof SupervisorError && cause.cause !== undefined) cause = cause.cause;
  if (cause instanceof RotaError) return cause;
  return new RotaError('unavailable', `the node could not start: ${withCauses(cause)}`, { cause: error });
}

/** A message and what is behind it, unless it says that itself. What comes from a thread has lost its class. */
function withCauses(error: unknown): string {
  const text = errorText(error);
  if (!(error instanceof Error) || error.cause === undefined) return text;
  const behind = withCauses(error.cause);
  return text.includes(behind) ? text : `${text}: ${behind}`;
}
