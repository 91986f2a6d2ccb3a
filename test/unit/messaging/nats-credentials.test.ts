import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock as clock } from '../../../src/kernel/clock.ts';
import { RotaError } from '../../../src/kernel/error.ts';
import { systemRandom as random } from '../../../src/kernel/identity.ts';
import { connectNats } from '../../../src/messaging/nats/connect-nats.ts';
import type { NatsSettings } from '../../../src/messaging/nats/nats-settings.ts';
import { shownServers } from '../../../src/messaging/nats/server-url.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import { nkeyUser, operatorMode } from '../../support/nats-credentials.ts';
import { startNatsServer } from '../../support/nats-server.ts';
import { tlsConfig, tlsFile } from '../../support/tls-files.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rota-credentials-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string): string => join(folder, name);
const plain = (config: string) => startNatsServer({ jetStream: false, config });

async function connectsTo(settings: NatsSettings): Promise<void> {
  const bus = await connectNats({ clock, random, subjects: new Subjects('jobs'), timeoutMs: 1_000, ...settings });
  await bus.flush();
  await bus.close();
}

/** What a connect fails with, like `connection tls.caFile name the authority …`; `let in` when it does not. */
async function faultOf(settings: NatsSettings): Promise<string> {
  try {
    await connectsTo(settings);
    return 'let in';
  } catch (error) {
    if (!(error instanceof RotaError)) throw error;
    return [error.code, ...error.issues.map(({ path, message }) => `${path} ${message}`)].join(' ');
  }
}

describe('over TLS', () => {
  const caFile = tlsFile('authority.pem');

  test('a server is let in that the given authority vouches for, and no other', async () => {
    await using server = await plain(tlsConfig());
    const servers = [server.url];
    expect(await faultOf({ servers, tls: { caFile } })).toBe('let in');
    expect(await faultOf({ servers: [`tls://127.0.0.1:${server.port}`], tls: { caFile } })).toBe('let in');
    expect(await faultOf({ servers })).toMatch(/^connection tls\.caFile name the authority/);
    expect(await faultOf({ servers: [server.url.replace('nats', 'tls')] })).toMatch(/^connection tls\.caFile name/);
    expect(await faultOf({ servers, tls: { caFile: tlsFile('stranger.pem') } })).toMatch(
      /^connection tls\.caFile this authority does not vouch/,
    );
  });

  test('a certificate for another address is refused', async () => {
    await using server = await plain(tlsConfig({ certificate: 'elsewhere' }));
    expect(await faultOf({ servers: [server.url], tls: { caFile } })).toMatch(
      /^connection servers the server's certificate is for another name/,
    );
  });

  test('a server that verifies wants a certificate, and one of its authority', async () => {
    await using server = await plain(tlsConfig({ verify: true }));
    const servers = [server.url];
    const own = { certFile: tlsFile('client.pem'), keyFile: tlsFile('client.key') };
    expect(await faultOf({ servers, tls: { caFile, ...own } })).toBe('let in');
    expect(await faultOf({ servers, tls: { caFile } })).toBe(
      'connection tls.certFile the server wants a certificate of ours',
    );
    await using strict = await plain(tlsConfig({ verify: true }).replace('authority.pem', 'stranger.pem'));
    expect(await faultOf({ servers: [strict.url], tls: { caFile, ...own } })).toBe(
      'connection tls.certFile the server does not accept this certificate of ours',
    );
  });

  test('a server without it is refused', async () => {
    await using server = await plain('');
    expect(await faultOf({ servers: [server.url], tls: { caFile } })).toMatch(/^connection tls is wanted/);
  });

  test('files that cannot be used are named before anybody is asked', async () => {
    const servers = ['127.0.0.1:1'];
    const certFile = tlsFile('client.pem');
    const keyFile = tlsFile('client.key');
    writeFileSync(file('text'), 'no certificate');
    expect(await faultOf({ servers, tls: { caFile: file('none') } })).toMatch(
      /^invalid_config tls\.caFile cannot be read/,
    );
    expect(await faultOf({ servers, tls: { caFile: file('text') } })).toMatch(/tls\.caFile .* holds no certificate/);
    expect(await faultOf({ servers, tls: { certFile } })).toMatch(/tls\.keyFile is missing/);
    expect(await faultOf({ servers, tls: { keyFile } })).toMatch(/tls\.certFile is missing/);
    expect(await faultOf({ servers, tls: { certFile, keyFile: tlsFile('server.key') } })).toMatch(
      /tls\.keyFile .* is no key of the certificate/,
    );
  });
});

describe('credentials', () => {
  test('of a user: the right ones are let in, any others named', async () => {
    await using server = await plain('authorization { user: ada, password: "p/s@w" }');
    const servers = [server.url];
    expect(await faultOf({ servers, user: 'ada', password: 'p/s@w' })).toBe('let in');
    expect(await faultOf({ servers: [`nats://ada:p%2Fs%40w@127.0.0.1:${server.port}`] })).toBe('let in');
    expect(await faultOf({ servers, user: 'ada', password: 'no' })).toMatch(/^connection password the server refuses/);
    expect(await faultOf({ servers: [`nats://ada:no@127.0.0.1:${server.port}`] })).toMatch(/^connection servers .*URL/);
    expect(await faultOf({ servers })).toMatch(/^connection user .*it wants a user, token/);
    expect(await faultOf({ servers, password: 'p' })).toMatch(/^invalid_config user is missing/);
  });

  test('of a token', async () => {
    await using server = await plain('authorization { token: sesame }');
    const servers = [server.url];
    expect(await faultOf({ servers, token: 'sesame' })).toBe('let in');
    expect(await faultOf({ servers, token: 'no' })).toMatch(/^connection token the server refuses this token/);
  });

  test('of an nkey, as a seed or in a file that is read again at each connect', async () => {
    const { publicKey, seed } = nkeyUser();
    await using server = await plain(`authorization { users: [ { nkey: ${publicKey} } ] }`);
    const servers = [server.url];
    writeFileSync(file('seed'), `${seed}\n`);
    expect(await faultOf({ servers, nkey: seed })).toBe('let in');
    expect(await faultOf({ servers, nkey: file('seed') })).toBe('let in');
    expect(await faultOf({ servers, nkey: nkeyUser().seed })).toMatch(/^connection nkey the server refuses/);
    expect(await faultOf({ servers, nkey: file('none') })).toMatch(/^invalid_config nkey cannot be read/);
    writeFileSync(file('seed'), 'SUnothing');
    expect(await faultOf({ servers, nkey: file('seed') })).toMatch(/^invalid_config nkey .* holds no nkey seed/);
  });

  test('in a file of JWT and seed', async () => {
    const { config } = operatorMode(file('user.creds'));
    operatorMode(file('other.creds'));
    await using server = await plain(config);
    const servers = [server.url];
    writeFileSync(file('text'), 'none');
    expect(await faultOf({ servers, credsFile: file('user.creds') })).toBe('let in');
    expect(await faultOf({ servers, credsFile: file('other.creds') })).toMatch(
      /^connection credsFile the server refuses/,
    );
    expect(await faultOf({ servers })).toMatch(/^connection user/);
    expect(await faultOf({ servers, credsFile: file('none') })).toMatch(/^invalid_config credsFile cannot be read/);
    expect(await faultOf({ servers, credsFile: file('text') })).toMatch(
      /^invalid_config credsFile .* no credentials file/,
    );
  });

  test('are in no message', async () => {
    expect(shownServers(['nats://ada:secret@a:1', 'b:2', 'tls://x@c:3,nats://d:secret@e'])).toBe(
      'nats://a:1,b:2,tls://c:3,nats://e',
    );
    expect(shownServers(['nats://ada:half,other@a:1,nats://b:2', 'tls://eve:x@y,z@c'])).toBe(
      'nats://a:1,nats://b:2,tls://c',
    );
    for (const server of ['http://ada:secret@a', 'nats://ada:a/secret@a', 'nats://ada:secret@a:port']) {
      const refused = connectsTo({ servers: [server] });
      // As a program that prints it whole shows it: with its fields and causes.
      await expect(refused).rejects.toSatisfy((error: Error) => !inspect(error, { depth: 9 }).includes('secret'));
    }
  });
});

test('an inbox prefix that this user may not subscribe to is named', async () => {
  await using server = await plain(
    'authorization { users: [ { user: ada, password: p, permissions: { subscribe: "_INBOX.ada.>" } } ] }',
  );
  const ada = { servers: [server.url], user: 'ada', password: 'p' };
  expect(await faultOf({ ...ada, inboxPrefix: '_INBOX.ada' })).toBe('let in');
  expect(await faultOf(ada)).toMatch(/^connection inboxPrefix .*does not let this user subscribe/);
});

test('a server that is away is no refusal', async () => {
  expect(await faultOf({ servers: ['127.0.0.1:1'] })).toBe('connection');
});
