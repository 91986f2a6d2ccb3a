import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { hostAndPort, loopbackAddress } from '../actors/nats-server/listen-address.ts';
import { isServerOf, pidIn } from '../actors/nats-server/orphan.ts';
import { askPort } from '../actors/nats-server/port-check.ts';
import { lookAtProcess } from '../actors/nats-server/process-look.ts';
import { canSyncEachWrite } from '../actors/nats-server/server-config.ts';
import { compareVersions, VERSION_MIN } from '../actors/nats-server/version.ts';
import { isRecord } from '../kernel/check.ts';
import type { Clock } from '../kernel/clock.ts';
import { errorText, RotaError } from '../kernel/error.ts';
import { systemRandom } from '../kernel/identity.ts';
import type { Bus } from '../messaging/bus.ts';
import { connectNats } from '../messaging/nats/connect-nats.ts';
import { ask } from '../messaging/reply.ts';
import { Subjects } from '../messaging/subjects.ts';
import type { Finding } from './finding.ts';
import { issuesText, namingNatsSettings, shownServers } from './nats-setting-names.ts';
import type { Settings } from './settings.ts';

const CONNECT_MS = 3_000;
const ANSWER_MS = 2_000;

/** Looks at NATS, at its JetStream, and at who of Rota answers there. */
export async function examineNats(settings: Settings, clock: Clock): Promise<Finding[]> {
  const { nats } = settings;
  if (nats.kind === 'servers') return examineServers(settings, { servers: nats.servers, clock });
  const later = (found: string): Finding[] => [
    { what: 'JetStream', state: 'unchecked', found },
    { what: 'Rota', state: 'unchecked', found },
  ];
  let address: string;
  try {
    address = loopbackAddress(nats.host);
  } catch (error) {
    return [{ what: 'NATS', state: 'wrong', found: errorText(error) }, ...later('there is no NATS to ask')];
  }
  const { port } = nats;
  const place = hostAndPort(address, port);
  const answerer = port === 0 ? undefined : await askPort({ address, port, clock });
  if (answerer === undefined) {
    const found = port === 0 ? 'a free port will be chosen' : `${place} is free for our own nats-server`;
    return [{ what: 'NATS', state: 'ok', found }, ...later('not running here; "rota start" starts it')];
  }
  if (answerer.kind === 'unknown') {
    const found = `a program that is no nats-server answers on ${place}`;
    return [{ what: 'NATS', state: 'wrong', found, remedy: otherPort(address) }, ...later('there is no NATS to ask')];
  }
  const name = answerer.name === '' ? '' : ` named "${answerer.name}"`;
  if (!(await isOurs(settings.dataFolder))) {
    const found = `nats-server ${answerer.version}${name} answers on ${place}, and it is not of this data folder`;
    const remedy = `use that one with --nats nats://${place}, or ${otherPort(address)}`;
    return [{ what: 'NATS', state: 'wrong', found, remedy }, ...later('not asked: that server is not ours')];
  }
  return examineServers(settings, { servers: [`nats://${place}`], clock });
}

function otherPort(address: string): string {
  return `choose another port with --nats embedded://${hostAndPort(address, 'PORT')}`;
}

/** Whether the server that this data folder's pid file names runs on this data folder's config. */
async function isOurs(dataFolder: string): Promise<boolean> {
  const folder = join(dataFolder, 'nats');
  const pidFile = join(folder, 'nats-server.pid');
  if (!existsSync(pidFile)) return false;
  const pid = pidIn(readFileSync(pidFile, 'utf8'));
  if (pid === undefined) return false;
  return isServerOf(join(realpathSync(folder), 'nats-server.conf'), await lookAtProcess(pid));
}

async function examineServers(
  { credentials, inboxPrefix, prefix }: Settings,
  { servers, clock }: { servers: readonly string[]; clock: Clock },
): Promise<Finding[]> {
  const place = shownServers(servers);
  const subjects = new Subjects(prefix);
  try {
    const bus = await connectNats({
      ...{ ...credentials, servers, inboxPrefix, subjects, clock, random: systemRandom },
      ...{ name: 'rota doctor', timeoutMs: CONNECT_MS },
    });
    try {
      const version = versionFinding(bus.serverVersion, place);
      return [version, await examineJetStream(bus), await examineNodes(bus, subjects)];
    } finally {
      await bus.close();
    }
  } catch (error) {
    const refused = error instanceof RotaError && error.issues.length > 0;
    const remedy = refused
      ? issuesText(namingNatsSettings(error))
      : 'start it, or name the right one with --nats and its credentials with --nats-user, --nats-creds, …';
    return [
      { what: 'NATS', state: 'wrong', found: errorText(refused ? namingNatsSettings(error) : error), remedy },
      { what: 'JetStream', state: 'unchecked', found: 'there is no NATS to ask' },
      { what: 'Rota', state: 'unchecked', found: 'there is no NATS to ask' },
    ];
  }
}

/** Judges the version of a server that answers. */
export function versionFinding(version: string, place: string): Finding {
  const found = `nats-server ${version} at ${place}`;
  if (compareVersions(version, VERSION_MIN) < 0) {
    return { what: 'NATS', state: 'wrong', found, remedy: `Rota needs ${VERSION_MIN} or newer: update the server` };
  }
  if (canSyncEachWrite(version)) return { what: 'NATS', state: 'ok', found };
  return { what: 'NATS', state: 'warning', found: `${found}: 2.10 or newer is safer at power loss` };
}

async function examineJetStream(bus: Bus): Promise<Finding> {
  const what = 'JetStream';
  const remedy = 'start nats-server with -js, and allow this user $JS.API.> where permissions are set';
  try {
    const answer = await ask(bus, '$JS.API.INFO', { value: {}, codec: 'json', timeoutMs: ANSWER_MS });
    const error = isRecord(answer) ? answer.error : undefined;
    if (isRecord(error)) return { what, state: 'wrong', found: String(error.description ?? 'refused'), remedy };
    const { streams, storage } = isRecord(answer) ? answer : {};
    return { what, state: 'ok', found: `available: ${streams ?? 0} streams, ${storage ?? 0} bytes on file` };
  } catch (error) {
    const absent = error instanceof RotaError && error.code === 'unavailable';
    return { what, state: 'wrong', found: absent ? 'not enabled there' : errorText(error), remedy };
  }
}

/** Rota need not run to be well, so this is never wrong. */
async function examineNodes(bus: Bus, subjects: Subjects): Promise<Finding> {
  const what = 'Rota';
  try {
    const answer = await ask(bus, subjects.control('node', 'list'), { value: {}, codec: 'json', timeoutMs: ANSWER_MS });
    const nodes = isRecord(answer) && Array.isArray(answer.nodes) ? answer.nodes.filter(isRecord) : [];
    const names = nodes.map(({ name, version }) => `${String(name)} (${String(version)})`);
    return { what, state: 'ok', found: `living nodes: ${names.join(', ')}` };
  } catch (error) {
    const absent = error instanceof RotaError && error.code === 'unavailable';
    const found = absent ? `no node answers with the prefix "${subjects.prefix}"` : errorText(error);
    return { what, state: 'warning', found, remedy: 'start one with "rota start", or name another --prefix' };
  }
}
