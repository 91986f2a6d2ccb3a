import { systemClock } from '../kernel/clock.ts';
import type { Duration } from '../kernel/duration.ts';
import { type Issue, RotaError } from '../kernel/error.ts';
import { isToken, systemRandom, TOKEN_RULE, uuidSource } from '../kernel/identity.ts';
import type { Codec } from '../messaging/codec.ts';
import { connectNats } from '../messaging/nats/connect-nats.ts';
import type { NatsSettings } from '../messaging/nats/nats-settings.ts';
import { Subjects } from '../messaging/subjects.ts';
import { durationOption } from './job-body.ts';
import { RotaClient } from './rota-client.ts';

export type { EnqueueOptions } from '../job/definition.ts';
export { type ErrorCode, type Issue, RotaError } from '../kernel/error.ts';
export type { JobView } from '../messaging/contract/job-view.ts';
export type { QueueAnswer, QueueView } from '../messaging/contract/queue-requests.ts';
export type { ScheduleView } from '../messaging/contract/schedule-requests.ts';
export { JobFailed, WaitTimeout } from './client-errors.ts';
export type { Enqueued } from './enqueue-batcher.ts';
export type { ReceivedEvent } from './event-stream.ts';
export type { BatchOptions, BatchResult } from './job-batch.ts';
export type { JobUpdate, JobVerb } from './job-verbs.ts';
export type { QueueClient, QueueLimitsInput } from './queue-client.ts';
export { type JobQuery, type ListQuery, RotaClient } from './rota-client.ts';
export type { PreviewQuery, ScheduleClient, SchedulePut, SpecInput } from './schedule-client.ts';
export {
  enqueueWith,
  type PgClient,
  type PostgresJsClient,
  type SqlClient,
  type SqlEnqueueOptions,
} from './sql-enqueue.ts';

/** How to reach Rota: servers and credentials of NATS, and how to speak. */
export interface ConnectOptions extends Partial<Omit<NatsSettings, 'servers'>> {
  /** Default `nats://127.0.0.1:4222`; several as a list or with commas. */
  servers?: string | readonly string[];
  /** Default `jobs`. */
  prefix?: string;
  /** Default `json`. */
  codec?: Codec;
  /** For how long a request is tried again when nobody answers; default 30 s. */
  deadline?: Duration;
  /** For how long the first connect is tried; default 10 s. */
  connectTimeout?: Duration;
}

const SERVER_DEFAULT = 'nats://127.0.0.1:4222';

/**
 * Connects to Rota over NATS.
 * @throws RotaError `connection` when no server let us in, `invalid_config` or `invalid_request` for bad options
 */
export async function connect(options: ConnectOptions = {}): Promise<RotaClient> {
  const {
    servers = SERVER_DEFAULT,
    prefix = 'jobs',
    codec = 'json',
    deadline = '30s',
    connectTimeout = '10s',
    ...nats
  } = options;
  refuseUnspeakable(prefix, codec);
  const subjects = new Subjects(prefix);
  const bus = await connectNats({
    ...nats,
    servers: typeof servers === 'string' ? servers.split(',') : servers,
    name: nats.name ?? 'rota client',
    subjects,
    clock: systemClock,
    random: systemRandom,
    timeoutMs: durationOption(connectTimeout, 'connectTimeout'),
  });
  return new RotaClient({
    bus,
    subjects,
    clock: systemClock,
    newId: uuidSource(systemClock),
    codec,
    deadlineMs: durationOption(deadline, 'deadline'),
    close: () => bus.close(),
  });
}

/** What would make subjects or bodies that nobody understands. */
function refuseUnspeakable(prefix: unknown, codec: unknown): void {
  const issues: Issue[] = [];
  if (typeof prefix !== 'string' || !isToken(prefix)) {
    issues.push({ path: 'prefix', message: `must be one token: ${TOKEN_RULE}` });
  }
  if (codec !== 'json' && codec !== 'msgpack') issues.push({ path: 'codec', message: 'must be "json" or "msgpack"' });
  const [first] = issues;
  if (first !== undefined) throw new RotaError('invalid_config', `${first.path} ${first.message}`, { issues });
}
