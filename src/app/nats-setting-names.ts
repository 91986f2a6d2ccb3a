import { type Issue, RotaError } from '../kernel/error.ts';
import { shownServers } from '../messaging/nats/server-url.ts';
import { SETTINGS, type SettingName } from './settings.ts';

/** Servers as they may be shown: without users and passwords. */
export { shownServers };

/** Options of a NATS connection, as its errors name them, by the settings that they come from. */
const SETTING_OF: Readonly<Record<string, SettingName>> = {
  servers: 'nats',
  user: 'natsUser',
  password: 'natsPassword',
  token: 'natsToken',
  credsFile: 'natsCreds',
  nkey: 'natsNkey',
  tls: 'natsTlsCa',
  'tls.caFile': 'natsTlsCa',
  'tls.certFile': 'natsTlsCert',
  'tls.keyFile': 'natsTlsKey',
  inboxPrefix: 'natsInbox',
};

/** An error about a NATS connection in the words of those who set it: variable and flag instead of the option. */
export function namingNatsSettings(error: RotaError): RotaError {
  const issues: Issue[] = error.issues.map(({ path, message }) => ({ path: placesOf(path), message }));
  // The message tells its issue too, without a name.
  const message = error.issues.reduce((text, issue) => text.replace(`: ${issue.message}`, ''), error.message);
  return new RotaError(error.code, message, { issues, cause: error.cause });
}

/** Like `ROTA_NATS_TLS_CA (--nats-tls-ca)`. */
function placesOf(option: string): string {
  const name = SETTING_OF[option];
  if (name === undefined) return option;
  const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return `${SETTINGS[name].env} (--${flag})`;
}

/** The issues of an error as one text. */
export function issuesText({ issues }: RotaError): string {
  return issues.map(({ path, message }) => `${path} ${message}`).join('; ');
}
