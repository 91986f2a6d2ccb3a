import { inlineHost } from '../../src/actors/executor/attempt.ts';
import { HostPool } from '../../src/actors/executor/hosts/host-pool.ts';
import type { OpenHost } from '../../src/actors/executor/hosts/pooled-host.ts';
import type { JobHostData } from '../../src/app/job-host-data.ts';
import { type JobHosts, processOpener, threadOpener } from '../../src/app/job-hosts.ts';
import { systemClock as clock } from '../../src/kernel/clock.ts';
import type { Logger } from '../../src/kernel/log.ts';
import { passFaultPoint } from './fault-point.ts';

/** How many threads and processes each pool has. */
const SIZE = 2;

/**
 * The pools of a node as `src/app/job-hosts.ts` makes them, with fault points: `host:asked` before an attempt is given to
 * a pool; `host:open` and `host:opened` around the start of a thread or process; `host:given` and `host:outcome` when it
 * is told to run an attempt and has told how that went; `host:kill`, `host:killed` and `host:gone` when one is killed, has
 * been, and has really ended; `host:shutdown` before a free one is asked to end; `pool:stop` and `pool:stopped`.
 */
export function faultyHosts(data: JobHostData, log: Logger): JobHosts {
  const poolOf = (kind: 'thread' | 'process', open: OpenHost): HostPool =>
    new HostPool({ kind, open: withFaults(open), clock, log, size: SIZE });
  const thread = poolOf('thread', threadOpener(data));
  const process_ = poolOf('process', processOpener(data));
  const pools = [thread, process_];
  const asked = (pool: HostPool): Pick<HostPool, 'run'> => ({
    run: (input) => {
      passFaultPoint('host:asked');
      return pool.run(input);
    },
  });
  return {
    hosts: { inline: inlineHost, thread: asked(thread), process: asked(process_) },
    start: () => {
      for (const pool of pools) pool.start();
      return {
        stop: async () => {
          passFaultPoint('pool:stop');
          await Promise.all(pools.map((pool) => pool.stop()));
          passFaultPoint('pool:stopped');
        },
        kill: () => {
          for (const pool of pools) pool.kill();
        },
      };
    },
  };
}

function withFaults(open: OpenHost): OpenHost {
  return (told) => {
    passFaultPoint('host:open');
    let killed = false;
    const hosted = open({
      ...told,
      onMessage: (message) => {
        if (typeOf(message) === 'outcome') passFaultPoint('host:outcome');
        told.onMessage(message);
      },
    });
    passFaultPoint('host:opened');
    void hosted.gone.then(() => {
      if (killed) passFaultPoint('host:gone');
    });
    return {
      ...hosted,
      post: (message, transfer) => {
        if (typeOf(message) === 'shutdown') passFaultPoint('host:shutdown');
        hosted.post(message, transfer);
        if (typeOf(message) === 'run') passFaultPoint('host:given');
      },
      kill: () => {
        passFaultPoint('host:kill');
        killed = true;
        hosted.kill();
        passFaultPoint('host:killed');
      },
    };
  };
}

const typeOf = (message: unknown): unknown => (message as { type?: unknown }).type;
