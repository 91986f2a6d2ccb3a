import { connect, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node';
import { atMost, sleep } from '../../kernel/clock.ts';
import { errorText, type Issue, RotaError } from '../../kernel/error.ts';
import type { Random } from '../../kernel/identity.ts';
import { NatsBus, type NatsBusOptions } from './nats-bus.ts';
import { refusalOf, silentRefusalOf } from './nats-refusal.ts';
import { type NatsSettings, natsConnectionOptions } from './nats-settings.ts';
import { shownServers } from './server-url.ts';

/** Where to connect, how, and what the bus needs then. */
export interface ConnectNatsOptions
  extends NatsSettings,
    Omit<NatsBusOptions, 'inboxPrefix' | 'onDisconnect' | 'onReconnect'> {
  random: Random;
  /** Whether the server keeps our own messages from our own subscriptions: what a LocalRoute `local` needs. */
  noEcho?: boolean;
  /** How long to try, in milliseconds. Default 5,000. */
  timeoutMs?: number;
}

const TIMEOUT_MS_DEFAULT = 5_000;
/** Between two tries of a first connect, in milliseconds. */
const RETRY_MS = 100;
/** How long one try of one server may take, also when reconnecting, in milliseconds. */
const DIAL_TIMEOUT_MS = 10_000;
/** Between two tries of a server during an outage, in milliseconds: a quarter of what it has lasted, within these. */
const RECONNECT_MS_MIN = 100;
const RECONNECT_MS_MAX = 2_000;

/**
 * Connects to NATS. From then on the connection mends itself; the first connect is the caller's to repeat, so that a
 * start without a server is the caller's to decide.
 * @throws RotaError `connection` when no server let us in within `timeoutMs`; being refused is told at once, and then its
 * issues name the option to look at (`password`, `tls.caFile`, `inboxPrefix`), without issues it is an outage.
 * `invalid_config` for credentials that cannot be read or a server that is none
 */
export async function connectNats(options: ConnectNatsOptions): Promise<NatsBus> {
  const { clock, subjects, random, inboxPrefix, onError, timeoutMs = TIMEOUT_MS_DEFAULT } = options;
  let lostAtMs: number | undefined;
  const natsOptions: NodeConnectionOptions = {
    ...natsConnectionOptions(options, () => {
      const outageMs = lostAtMs === undefined ? 0 : clock.monotonicMs() - lostAtMs;
      const waitMs = Math.min(Math.max(outageMs / 4, RECONNECT_MS_MIN), RECONNECT_MS_MAX);
      return Math.round(waitMs * (1 + random() / 2));
    }),
    noEcho: options.noEcho ?? false,
    timeout: DIAL_TIMEOUT_MS,
  };
  const connection = await firstConnect(natsOptions, { ...options, timeoutMs });
  const bus = new NatsBus(connection, {
    subjects,
    clock,
    inboxPrefix,
    onError,
    onDisconnect: () => {
      lostAtMs = clock.monotonicMs();
    },
    onReconnect: () => {
      lostAtMs = undefined;
    },
  });
  // A server that is slow to answer this is an outage to come, and no reason to refuse it.
  await atMost(
    clock,
    timeoutMs,
    bus.flush().catch(() => {}),
  );
  if (bus.answersRefused === undefined) return bus;
  await bus.close();
  throw notLetIn(options, bus.answersRefused, {
    path: 'inboxPrefix',
    message: `is where answers come to, and the server does not let this user subscribe there: ${errorText(bus.answersRefused)}`,
  });
}

type FirstConnect = ConnectNatsOptions & Required<Pick<ConnectNatsOptions, 'timeoutMs'>>;

async function firstConnect(natsOptions: NodeConnectionOptions, options: FirstConnect): Promise<NatsConnection> {
  const { clock, timeoutMs } = options;
  const deadlineMs = clock.monotonicMs() + timeoutMs;
  let last: unknown;
  for (let leftMs = timeoutMs; leftMs > 0; leftMs = deadlineMs - clock.monotonicMs()) {
    try {
      return await connectWithin(natsOptions, { clock, timeoutMs: leftMs });
    } catch (error) {
      // What a server said before says more than that the time then ran out.
      if (last === undefined || !(error instanceof LateError)) last = error;
      const refusal = refusalOf(error, options);
      if (refusal !== undefined) throw notLetIn(options, error, refusal);
    }
    await sleep(clock, Math.max(Math.min(RETRY_MS, deadlineMs - clock.monotonicMs()), 0));
  }
  throw notLetIn(options, last, last instanceof LateError ? await silentRefusalOf(options, clock) : undefined);
}

function notLetIn({ servers }: ConnectNatsOptions, cause: unknown, refusal: Issue | undefined): RotaError {
  const place = shownServers(servers);
  if (refusal === undefined) {
    return new RotaError('connection', `cannot connect to NATS at ${place}: ${errorText(cause)}`, { cause });
  }
  return new RotaError('connection', `NATS at ${place} does not let us in: ${refusal.message}`, {
    cause,
    issues: [refusal],
  });
}

class LateError extends Error {}

/** One try of every server. A connection that comes too late is closed again. */
function connectWithin(
  natsOptions: NodeConnectionOptions,
  { clock, timeoutMs }: Pick<FirstConnect, 'clock' | 'timeoutMs'>,
): Promise<NatsConnection> {
  return new Promise((resolve, reject) => {
    let late = false;
    const timer = clock.setTimeout(() => {
      late = true;
      reject(new LateError(`no server answered within ${Math.round(timeoutMs)} ms`));
    }, timeoutMs);
    connect(natsOptions).then(
      (connection) => {
        clock.clearTimeout(timer);
        if (late) connection.close().catch(() => {});
        else resolve(connection);
      },
      (error: unknown) => {
        clock.clearTimeout(timer);
        reject(error);
      },
    );
  });
}
