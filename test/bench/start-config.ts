import { cron, defineJob, defineScheduler } from 'rota';

/** What a start is measured with: one job of the start itself. */
const first = defineJob({
  type: 'bench.first',
  run: ({ log }) => {
    log.info({}, 'first job');
    return null;
  },
});

export default defineScheduler({ queues: { default: 10 }, schedules: { first: cron('@reboot', first) } });
