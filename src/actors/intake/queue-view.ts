import type { QueueView } from '../../messaging/contract/queue-requests.ts';
import type { JobCounts, NodeRecord } from '../../store/job-store.ts';
import { type QueueRecord, scaledLimit } from '../../store/queue-record.ts';

/** What a queue is shown by. */
export interface QueueFacts {
  name: string;
  nodes: readonly NodeRecord[];
  counts: JobCounts['byState'];
  /** Undefined: no operator has said anything of it. */
  said: QueueRecord | undefined;
}

/** A queue as control replies show it: what operators said beats what nodes were started with. Pure. */
export function queueView({ name, nodes, counts, said }: QueueFacts): QueueView {
  const hosts = nodes.flatMap(({ node, queues }) =>
    queues.filter((queue) => queue.name === name).map((queue) => ({ node, ...queue })),
  );
  const runners = hosts.filter(({ runs }) => runs);
  const first = runners[0] ?? hosts[0];
  const {
    globalLimit = null,
    rate = null,
    partition = null,
    paused = false,
    scale = null,
    scaleByNode = {},
  } = said ?? {};
  return {
    name,
    limit: scale ?? first?.limit ?? 0,
    ...(Object.keys(scaleByNode).length === 0 ? {} : { limits: scaleByNode }),
    globalLimit,
    rate: rate && { limit: rate.limit, period: rate.periodMs },
    partition,
    paused,
    counts,
    nodes: runners.map(({ node }) => node),
  };
}

/** What one node runs at once of a queue, by what operators said and else by what it was started with. Pure. */
export function limitOn(node: string, { name, nodes, said }: Omit<QueueFacts, 'counts'>): number {
  const host = nodes.find((one) => one.node === node)?.queues.find((queue) => queue.name === name);
  return scaledLimit(said, node) ?? host?.limit ?? 0;
}
