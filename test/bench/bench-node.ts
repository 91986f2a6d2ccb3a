import { defineJob, defineScheduler, start } from 'rota';

/** Run as a process: a whole node with an embedded nats-server and SQLite. Arguments: port, data folder, queues setting. */
const [port = '4390', data = './data', queues = 'bench:1000'] = process.argv.slice(2);

const noop = defineJob({ type: 'bench.noop', queue: 'bench', run: () => null });
/** Answers when it was started, in milliseconds since the epoch: what the latency is measured by. */
const stamp = defineJob({ type: 'bench.stamp', queue: 'bench', run: () => performance.timeOrigin + performance.now() });

const config = defineScheduler({ jobs: [noop, stamp], queues: { bench: 1_000, parked: 1 } });
const rota = await start(config, { nats: `embedded://127.0.0.1:${port}`, data, queues, logLevel: 'error' });
process.on('SIGTERM', () => {
  rota.stop().then(() => process.exit(0));
});
process.send?.({ url: rota.natsUrl });
