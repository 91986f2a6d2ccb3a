import type { Rota } from '../app/rota.ts';
import { type RawSettings, SETTINGS } from '../app/settings.ts';
import { sleep } from '../kernel/clock.ts';
import { errorText, RotaError } from '../kernel/error.ts';
import { createLogger, LOG_LEVELS, type Logger, type LogLevel } from '../kernel/log.ts';
import type { CliWorld } from './cli-world.ts';
import { defineCommand, EXIT } from './command.ts';
import { configPath, importConfig } from './config-file.ts';
import { ALL_SETTINGS, namingFlags } from './setting-flags.ts';
import { STOP_SIGNALS, StopSignals } from './stop-signals.ts';

/** How long a start that is asked to stop may take to come so far that it can, in milliseconds. */
const ABANDON_MS = 5_000;

/** `rota start`: a node, until it is told to stop. */
export const start = defineCommand({
  name: 'start',
  summary: 'run a node with what the config file declares',
  positionals: [],
  flags: {},
  settings: ALL_SETTINGS,
  examples: [
    'rota start',
    'rota start --config config/scheduler.ts --data /var/lib/rota --log-level warn',
    'rota start --nats nats://a:4222,nats://b:4222 --roles queues --queues mail:5',
  ],
  notes: [
    'Flags beat the environment, which beats "settings" in the config file.',
    'SIGTERM, SIGINT and SIGHUP stop it in order (exit 0); a second one at once (exit 1).',
    'Give passwords and tokens in the environment: other users can read command lines.',
  ],
  run: async ({ settings: given, world }) => {
    const file = await importConfig(configPath(given, world));
    const logger = createLogger(logLevel([given.logLevel, world.env[SETTINGS.logLevel.env], file.config]));
    world.onRejection((reason) => {
      const stack = reason instanceof Error ? reason.stack : undefined;
      logger.error({ error: errorText(reason), stack }, 'a rejection that nobody handled');
    });
    const asked = stopAsked(world, logger);
    const { config: _config, ...settings } = given;
    const starting = begin(file.config, {
      ...settings,
      configFile: file.path,
      configFolder: file.folder,
      logger,
    }).catch((error: unknown) => {
      throw namingFile(namingFlags(error, given), file.path);
    });
    const rota = await Promise.race([starting, asked.then(() => abandoned(starting, world))]);
    return rota === undefined ? EXIT.ok : untilEnd({ rota, asked, logger });
  },
});

async function begin(
  config: Parameters<typeof import('../app/start.ts').start>[0],
  options: RawSettings & { configFile: string; configFolder: string; logger: Logger },
): Promise<Rota> {
  const app = await import('../app/start.ts');
  return app.start(config, options);
}

/** Resolves at the first signal to stop; a second one ends the program. */
function stopAsked(world: CliWorld, logger: Logger): Promise<void> {
  const signals = new StopSignals({ clock: world.clock, underNpm: world.env.npm_lifecycle_event !== undefined });
  return new Promise((resolve) => {
    world.onSignal(STOP_SIGNALS, (signal) => {
      const wanted = signals.take(signal);
      if (wanted === 'stop') resolve();
      if (wanted !== 'at-once') return;
      logger.warn({ signal }, 'a second signal: ended at once');
      world.exit(EXIT.failed);
    });
  });
}

/** A node that is asked to stop while it starts: it is stopped as soon as it stands, if that is soon. */
async function abandoned(starting: Promise<Rota>, { clock }: CliWorld): Promise<Rota | undefined> {
  return Promise.race([starting.catch(() => undefined), sleep(clock, ABANDON_MS).then(() => undefined)]);
}

/** A node that runs, and what asks it to stop. */
export interface Running {
  rota: Pick<Rota, 'node' | 'ended' | 'stop'>;
  asked: Promise<void>;
  logger: Logger;
}

/**
 * Waits for the end of a node, which comes by its own rules or because it is asked for.
 * @returns the exit code
 */
export async function untilEnd({ rota, asked, logger }: Running): Promise<number> {
  const end = await Promise.race([rota.ended, asked.then(() => 'asked' as const)]);
  if (end === 'gave-up') {
    logger.error({ node: rota.node }, 'the supervision tree gave up; the log above says why');
    return EXIT.failed;
  }
  try {
    await rota.stop();
    return EXIT.ok;
  } catch (error) {
    logger.error({ error: errorText(error) }, 'the node did not stop in order');
    return EXIT.failed;
  }
}

/** An error that says in which file the mistakes are, unless flags and the environment made them all. */
function namingFile(error: unknown, path: string): unknown {
  if (!(error instanceof RotaError) || error.issues.every((issue) => /^(?:--|ROTA_)/.test(issue.path))) return error;
  return new RotaError(error.code, `${path}: ${error.message}`, { issues: error.issues, cause: error });
}

/** The first source that names a level; what is none is told when the settings are read. */
function logLevel([given, variable, config]: readonly [unknown, unknown, unknown]): LogLevel {
  const settings = typeof config === 'object' && config !== null && 'settings' in config ? config.settings : undefined;
  const configured =
    typeof settings === 'object' && settings !== null && 'logLevel' in settings ? settings.logLevel : undefined;
  const wanted = given ?? (variable === '' ? undefined : variable) ?? configured;
  return LOG_LEVELS.find((level) => level === wanted) ?? 'info';
}
