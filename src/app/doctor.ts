import { findServerProgram } from '../actors/nats-server/program.ts';
import { canSyncEachWrite } from '../actors/nats-server/server-config.ts';
import type { Clock } from '../kernel/clock.ts';
import { errorText, RotaError } from '../kernel/error.ts';
import { type Configuration, readConfiguration, type SchedulerConfig } from './configuration.ts';
import { discoverIn } from './discovery.ts';
import type { Finding } from './finding.ts';
import { examineNats } from './nats-findings.ts';
import { type RawSettings, readSettings, type Settings } from './settings.ts';
import { examineStore } from './store-findings.ts';

export type { Finding } from './finding.ts';

/** What is examined: the node that these would start. */
export interface Examination {
  /** The settings that were given as flags, without the config file. */
  given: RawSettings;
  env: Readonly<Record<string, string | undefined>>;
  clock: Clock;
  configPath: string;
  /** Imports the config file. @throws what it fails with */
  importConfig(): Promise<{ config: SchedulerConfig; folder: string }>;
  /** Puts a mistake in the settings into the words in which they were given. */
  explain?(error: unknown): unknown;
}

/** The oldest Node that runs Rota, as package.json says. */
const NODE_MAJOR_MIN = 24;

/** Looks at everything that a node needs, and changes none of it. Never rejects. */
export async function examine(examination: Examination): Promise<Finding[]> {
  const { given, env, clock, explain = (error: unknown) => error } = examination;
  const { configuration, finding } = await examineConfig(examination);
  const findings = [examineNode(process.versions.node), finding];
  let settings: Settings;
  try {
    settings = readSettings({ given, env, config: configuration?.settings ?? {} });
  } catch (error) {
    return [
      ...findings,
      {
        what: 'settings',
        state: 'wrong',
        found: issueText(explain(error)),
        remedy: 'mend them: see "rota help start"',
      },
    ];
  }
  const server = settings.nats.kind === 'embedded' ? [await examineProgram()] : [];
  return [...findings, ...server, ...(await examineNats(settings, clock)), ...(await examineStore(settings))];
}

/** @param version of Node, like `24.1.0` */
export function examineNode(version: string): Finding {
  if (Number.parseInt(version, 10) >= NODE_MAJOR_MIN) return { what: 'Node', state: 'ok', found: version };
  return {
    what: 'Node',
    state: 'wrong',
    found: `${version}; Rota needs ${NODE_MAJOR_MIN} or newer`,
    remedy: 'in a checkout run "node bin/setup.js", else install it with your package manager, nvm, fnm or volta',
  };
}

async function examineConfig({
  configPath,
  importConfig,
  clock,
}: Examination): Promise<{ configuration?: Configuration; finding: Finding }> {
  try {
    const { config, folder } = await importConfig();
    const configuration = await readConfiguration(config, { now: clock.now(), discover: discoverIn(folder) });
    const { definitions, schedules, queues } = configuration;
    const found = `${configPath}: ${definitions.size} job types, ${schedules.length} schedules, ${queues.size} queues`;
    return { configuration, finding: { what: 'config', state: 'ok', found } };
  } catch (error) {
    const remedy = 'mend it, or name another one with --config';
    return { finding: { what: 'config', state: 'wrong', found: `${configPath}: ${issueText(error)}`, remedy } };
  }
}

async function examineProgram(): Promise<Finding> {
  const what = 'nats-server';
  try {
    const { command, version } = await findServerProgram();
    const found = `${version} at ${command}`;
    if (canSyncEachWrite(version)) return { what, state: 'ok', found };
    return {
      what,
      state: 'warning',
      found: `${found}: it cannot sync each write, so what the durable intake acknowledged may be lost at power loss`,
      remedy: 'install 2.10 or newer; jobs that were enqueued by request are safe either way',
    };
  } catch (error) {
    return { what, state: 'wrong', found: errorText(error) };
  }
}

/** An error with each of its issues on a line of its own. */
function issueText(error: unknown): string {
  const text = errorText(error);
  if (!(error instanceof RotaError) || error.issues.length === 0) return text;
  const headline = text.split('\n', 1)[0] ?? '';
  return [headline, ...error.issues.map(({ path, message }) => `  ${path} ${message}`)].join('\n');
}
