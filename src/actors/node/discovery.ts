import { isRecord } from '../../kernel/check.ts';
import { timeText } from '../../kernel/clock.ts';
import { Body } from '../../messaging/body.ts';
import type { Bus } from '../../messaging/bus.ts';
import { type Endpoint, endpoints } from '../../messaging/contract/endpoints.ts';
import { ask } from '../../messaging/reply.ts';
import type { Subjects } from '../../messaging/subjects.ts';
import type { NodeRecord } from '../../store/job-store.ts';
import type { EndpointCounts } from '../request-counts.ts';

/** What discovery works with. */
export interface DiscoveryWorld {
  bus: Bus;
  subjects: Subjects;
  record: Pick<NodeRecord, 'node' | 'instance' | 'version' | 'roles' | 'startedAt'>;
}

/** The service's name in the NATS service protocol; a node is one instance of it. */
const SERVICE = 'rota';
const DESCRIPTION = 'Rota: supervised job scheduler';
/** The parts of a node that serve endpoints and count. */
const COUNTING_PARTS = ['intake', 'durable-intake', 'sql-intake', 'persistence'];
/** How long a part may take to tell its counts, in milliseconds; without them they are zero. */
const COUNTS_MS = 1_000;
const NS_PER_MS = 1_000_000;

/**
 * Answers the NATS service protocol (ADR-32): `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`, of everybody, of `rota` and of
 * this node, so that `nats service ls|info|stats` works. Not in a queue group: every node answers.
 * @returns ends it
 */
export function startDiscovery({ bus, subjects, record }: DiscoveryWorld): () => void {
  const { node, instance, version, roles, startedAt } = record;
  const served = endpoints(subjects).filter(({ role }) => roles.includes(role));
  const metadata = { node, roles: roles.join(','), prefix: subjects.prefix };
  const identity = { name: SERVICE, id: instance, version, metadata };

  const counts = async (): Promise<Map<string, EndpointCounts>> => {
    const asked = COUNTING_PARTS.map((part) =>
      ask(bus, subjects.actor(node, part, 'counts'), { value: {}, timeoutMs: COUNTS_MS }).catch(() => ({})),
    );
    // Our own parts answer these subjects, with what RequestCounts tells.
    const told = (await Promise.all(asked)).filter(isRecord) as Record<string, EndpointCounts>[];
    const all = new Map<string, EndpointCounts>();
    for (const [name, part] of told.flatMap((part) => Object.entries(part)))
      all.set(name, together(all.get(name), part));
    return all;
  };
  const answers: Record<string, () => Promise<object>> = {
    PING: async () => ({ ...identity, type: 'io.nats.micro.v1.ping_response' }),
    INFO: async () => ({
      ...identity,
      type: 'io.nats.micro.v1.info_response',
      description: DESCRIPTION,
      endpoints: served.map((endpoint) => ({ ...place(endpoint), metadata: endpoint.metadata })),
    }),
    STATS: async () => {
      const byName = await counts();
      return {
        ...identity,
        type: 'io.nats.micro.v1.stats_response',
        started: timeText(startedAt),
        endpoints: served.map((endpoint) => ({ ...place(endpoint), ...statsView(byName.get(endpoint.name)) })),
      };
    },
  };
  const subscriptions = Object.entries(answers).flatMap(([verb, made]) =>
    [`$SRV.${verb}`, `$SRV.${verb}.${SERVICE}`, `$SRV.${verb}.${SERVICE}.${instance}`].map((subject) =>
      bus.subscribe(subject, {}, async (message) => message.respond({ body: Body.of(await made(), 'json') })),
    ),
  );
  return () => {
    for (const subscription of subscriptions) subscription.unsubscribe();
  };
}

const place = ({ name, subject, queueGroup }: Endpoint) => ({ name, subject, queue_group: queueGroup });

const NONE: EndpointCounts = { requests: 0, errors: 0, lastError: '', busyMs: 0 };

/** What two parts counted of one endpoint: the intake has two doors. */
const together = (one: EndpointCounts = NONE, other: EndpointCounts): EndpointCounts => ({
  requests: one.requests + other.requests,
  errors: one.errors + other.errors,
  lastError: other.lastError || one.lastError,
  busyMs: one.busyMs + other.busyMs,
});

/** Times are whole nanoseconds. */
function statsView({ requests, errors, lastError, busyMs }: EndpointCounts = NONE) {
  const processing = Math.round(busyMs * NS_PER_MS);
  return {
    num_requests: requests,
    num_errors: errors,
    last_error: lastError,
    processing_time: processing,
    average_processing_time: requests === 0 ? 0 : Math.round(processing / requests),
  };
}
