import { JetStreamApiCodes, JetStreamApiError, type JetStreamManager, type StreamConfig } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { errorText } from '../../kernel/error.ts';

/** On how many servers a stream is kept: a number, or `auto`: on three in a cluster, else on the one there is. */
export type Replicas = number | 'auto';

/** What a cluster of JetStream servers needs to go on without one of them. */
const CLUSTER_REPLICAS = 3;
/** JetStream's code for: there are not so many servers to put it on. */
const NO_PEERS = 10_005;

/** The config of a stream, if there is one of that name. */
export async function streamConfig(manager: JetStreamManager, stream: string): Promise<StreamConfig | undefined> {
  try {
    return (await manager.streams.info(stream)).config;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound) return undefined;
    throw error;
  }
}

/** What a stream is made with, and where. */
export interface StreamMaking {
  manager: JetStreamManager;
  connection: NatsConnection;
  replicas: Replicas;
}

/**
 * Makes a stream on as many servers as is wanted. `auto` in a cluster insists on three as long as three are known, so that
 * one that is down at this moment does not cost the stream its copies for ever.
 * @throws what JetStream says
 */
export async function makeStream(
  config: Partial<StreamConfig> & { name: string },
  { manager, connection, replicas }: StreamMaking,
): Promise<void> {
  const { info } = connection;
  const clustered = info?.cluster !== undefined && info.cluster !== '';
  const wanted = replicas === 'auto' ? (clustered ? CLUSTER_REPLICAS : 1) : replicas;
  try {
    await manager.streams.add({ ...config, num_replicas: wanted });
  } catch (error) {
    const known = info?.connect_urls?.length ?? 0;
    const small = error instanceof JetStreamApiError && error.code === NO_PEERS && known < CLUSTER_REPLICAS;
    if (replicas !== 'auto' || wanted === 1 || !small) throw error;
    await manager.streams.add({ ...config, num_replicas: 1 });
  }
}

/** A sentence about why JetStream cannot be used. */
export function jetStreamFault(stream: string, cause: unknown): string {
  return `the stream ${stream} cannot be opened: ${errorText(cause)}`;
}
