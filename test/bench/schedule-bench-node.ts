import { defineJob, defineScheduler, start } from 'rota';

/**
 * Run as a process: a whole node with an embedded nats-server and SQLite, whose jobs wait. Arguments: port, data folder.
 * Asked over its channel, it answers the CPU time that it has used, in milliseconds, all threads together.
 */
const [port = '4391', data = './data'] = process.argv.slice(2);

const parked = defineJob({ type: 'bench.parked', queue: 'parked', run: () => null });
const config = defineScheduler({ jobs: [parked], queues: { parked: 1, bench: 1 } });
const rota = await start(config, { nats: `embedded://127.0.0.1:${port}`, data, queues: 'bench:1', logLevel: 'error' });
process.on('SIGTERM', () => {
  rota.stop().then(() => process.exit(0));
});
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ cpuMs: (user + system) / 1_000 });
});
process.send?.({ url: rota.natsUrl });
