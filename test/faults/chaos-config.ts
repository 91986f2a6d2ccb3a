import { cron, defineScheduler, every } from '../../src/index.ts';
import crash from '../support/crash-config.ts';

const args = { ms: 1 };

/** The jobs of the crash tests, and each second schedules of every kind. */
export default defineScheduler({
  ...crash,
  schedules: {
    all: every('1s', 'work', { args, misfire: { policy: 'all', max: 1_000 } }),
    clock: cron('* * * * * *', 'work', { args }),
    skipping: every('1s', 'work', { args: { ms: 1_300 }, overlap: 'skip', misfire: 'skip' }),
    cancelling: every('1s', 'work', { args: { ms: 1_300 }, overlap: 'cancel_running' }),
    boot: cron('@reboot', 'work', { args }),
  },
});
