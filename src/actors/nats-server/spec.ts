import type { Logger } from '../../kernel/log.ts';
import { type ChildSpec, isHostReady, processActor } from '../../supervisor/supervisor.ts';
import type { PreparedServer } from './prepare.ts';
import { isServerReady, readServerLine } from './server-line.ts';

/**
 * It listens only after it has read its whole JetStream store, so the deadline must bear a large one on a slow disk:
 * too short a deadline would kill it again and again at the same point.
 */
const START_TIMEOUT_MS = 30_000;
const SHUTDOWN_MS = 5_000;

/** A crash is healed at once; a server that keeps dying is started every few seconds until the supervisor gives up. */
const BACKOFF = { minMs: 100, maxMs: 5_000, jitter: 0.2 };

/**
 * The embedded nats-server as a supervised OS process. It counts as started when it takes connections, its JetStream
 * data included; each restart is on the same port and data.
 * @param options `onLine` is given each line that it writes
 */
export function natsServerSpec(
  prepared: PreparedServer,
  options: { log: Logger; onLine?: (line: string) => void },
): ChildSpec {
  const { log, onLine } = options;
  return {
    id: 'nats-server',
    start: () =>
      processActor({
        name: 'nats-server',
        command: prepared.command,
        args: prepared.args,
        // On SIGTERM it ends with exit code 1, as if it had failed; on SIGINT in the same order with 0.
        stopSignal: 'SIGINT',
        readyWhen: isServerReady,
        onLine: (line) => {
          const { severe, text } = readServerLine(line);
          if (severe) log.warn({ child: 'nats-server' }, text);
          else log.debug({ child: 'nats-server' }, text);
          onLine?.(line);
        },
      }),
    ready: isHostReady,
    restart: 'permanent',
    shutdown: SHUTDOWN_MS,
    startTimeoutMs: START_TIMEOUT_MS,
    backoff: BACKOFF,
  };
}
