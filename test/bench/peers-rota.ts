import { readFileSync } from 'node:fs';
import { connect, type RotaClient } from 'rota/client';
import { type Peer, type PeerArgs, serve } from './peers-serve.ts';

/** What this process is: a whole node, the node with the producer in it, or another program's client. */
interface Settings {
  role: 'node' | 'embedded' | 'client';
  /** Where the embedded nats-server of the node listens. */
  port: number;
  data: string;
  /** The store setting; none is SQLite in `data`. */
  store?: string;
  /** How many handlers may run at once. */
  limit: number;
  /** Whether a client hears of every job's end. */
  hears?: boolean;
}

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
const QUEUE = 'bench';
const PARKED = 'parked';
const TYPE = 'bench.noop';
const STREAMS = 4;

/** What a producer does, wherever its client runs. */
function producer(client: RotaClient): Pick<Peer, 'enqueueAll' | 'enqueueOne'> {
  return {
    enqueueAll: async (all) => {
      const part = Math.ceil(all.length / STREAMS);
      const streams = Array.from({ length: STREAMS }, (_, index) => all.slice(index * part, (index + 1) * part));
      const options = { queue: QUEUE, batchSize: 1_000 };
      await Promise.all(streams.map((args) => client.enqueueBatch(TYPE, args.map(asJson), options)));
    },
    enqueueOne: async (args, parked) => {
      await client.enqueue(TYPE, asJson(args), { queue: parked ? PARKED : QUEUE });
    },
  };
}

/** Args of jobs are records. */
const asJson = (args: PeerArgs): { [name: string]: string | number } => ({ ...args });

/** Rota as a peer among the others: the node in this process, or a client. */
serve<Settings>(async (settings) => (settings.role === 'client' ? openClient(settings) : openNode(settings)));

async function openNode({ port, data, store, limit }: Settings): Promise<Peer> {
  // Only the node's process carries the node.
  const { defineJob, defineScheduler, start } = await import('rota');
  let handle: (args: PeerArgs) => void = () => {};
  const noop = defineJob<PeerArgs>({
    type: TYPE,
    queue: QUEUE,
    run: ({ args }) => {
      handle(args);
      return null;
    },
  });
  const config = defineScheduler({ jobs: [noop], queues: { [QUEUE]: limit, [PARKED]: 1 } });
  const rota = await start(config, {
    ...{ nats: `embedded://127.0.0.1:${port}`, data, queues: `${QUEUE}:${limit}`, logLevel: 'error' },
    ...(store === undefined ? {} : { store }),
  });
  const { client } = rota;
  /** Jobs that are complete, when the last measure began and as it ended. */
  let [before, expected] = [0, 0];
  return {
    name: `Rota ${version}, Node ${process.versions.node}`,
    ...producer(client),
    work: async (handled) => {
      handle = handled;
    },
    rest: async () => {},
    // Counting what was kept of all rounds is no part of the work: that comes when the clock has stopped.
    settled: async (jobs) => {
      expected = before + jobs;
      return (await client.count({ queue: QUEUE, state: ['available', 'executing', 'retryable'] })).total === 0;
    },
    // What is complete stays, as it would for a user: each round counts from there.
    clear: async () => {
      await client.queues.purge(PARKED);
      before = (await client.count({ queue: QUEUE, state: 'completed' })).total;
      if (before < expected) throw new Error(`${before} jobs are complete instead of ${expected}`);
    },
    close: () => rota.stop(),
  };
}

async function openClient({ port, hears }: Settings): Promise<Peer> {
  const client = await connect({ servers: `nats://127.0.0.1:${port}` });
  return {
    name: `Rota ${version}, client`,
    ...producer(client),
    ...(hears ? listener(client) : {}),
    work: async () => {},
    rest: async () => {},
    settled: async () => true,
    clear: async () => {},
    close: () => client.close(),
  };
}

function listener(client: RotaClient): Required<Pick<Peer, 'listen' | 'heard'>> {
  let heard: Promise<void> = Promise.resolve();
  return {
    listen: async (jobs) => {
      const events = client.events({ queue: QUEUE, what: 'completed' });
      const seen = new Set<string>();
      heard = (async () => {
        for await (const { subject } of events) {
          seen.add(subject);
          if (seen.size === jobs) return;
        }
      })();
      // The subscription is with the server once a request after it was answered.
      await client.count({ queue: QUEUE });
    },
    heard: () => heard,
  };
}
