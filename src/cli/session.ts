import { namingNatsSettings, shownServers } from '../app/nats-setting-names.ts';
import type { NatsPlace } from '../app/settings.ts';
import { RotaError } from '../kernel/error.ts';
import type { CliClient } from './cli-world.ts';
import type { Call } from './command.ts';
import { connectionSettings } from './setting-flags.ts';
import { UsageError } from './usage-error.ts';

/** A person waits: these are short. */
const CONNECT_TIMEOUT = '3s';
const DEADLINE = '5s';

/** What a command that talks to a running Rota works with. */
export interface Session {
  readonly client: CliClient;
  readonly prefix: string;
  /** Where NATS is, for people. */
  readonly place: string;
}

/**
 * Connects to the Rota that the flags and the environment name, and lets go of it afterwards.
 * @throws RotaError `connection` that says what to do when there is no NATS, and what the work itself throws
 */
export async function withSession<T>(
  { settings: given, world }: Pick<Call, 'settings' | 'world'>,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const { nats, prefix, credentials, inboxPrefix } = connectionSettings(given, world.env);
  const servers = serversOf(nats);
  const place = shownServers(servers);
  const client = await world
    .connect({
      ...{ servers, prefix, inboxPrefix, name: 'rota cli' },
      ...credentials,
      ...{ connectTimeout: CONNECT_TIMEOUT, deadline: DEADLINE },
    })
    .catch((error: unknown) => {
      throw connectError(error, place);
    });
  try {
    return await work({ client, prefix, place });
  } catch (error) {
    throw absenceError(error, { place, prefix });
  } finally {
    await client.close();
  }
}

/** The servers behind the setting; an embedded one is reached like any other. */
export function serversOf(nats: NatsPlace): string[] {
  if (nats.kind === 'servers') return nats.servers;
  if (nats.port !== 0) return [`nats://${nats.host}:${nats.port}`];
  throw new UsageError(
    'port 0 lets the node choose, so nobody else knows it',
    'name the real one with --nats nats://127.0.0.1:PORT; the line "started" of the node\'s log tells it',
  );
}

function connectError(error: unknown, place: string): unknown {
  if (!(error instanceof RotaError)) return error;
  if (error.issues.length > 0) return namingNatsSettings(error);
  if (error.code !== 'connection') return error;
  const text = `cannot reach NATS at ${place}: is Rota running? start it with "npm start" or name the server with --nats`;
  return new RotaError('connection', text, { cause: error });
}

/** When NATS is there and Rota is not. */
function absenceError(error: unknown, { place, prefix }: { place: string; prefix: string }): unknown {
  if (!(error instanceof RotaError) || (error.code !== 'unavailable' && error.code !== 'timeout')) return error;
  const hint = `is a Rota with the prefix "${prefix}" running at ${place}?`;
  return new RotaError(error.code, `${error.message}; ${hint}`, { issues: error.issues, cause: error });
}
