import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nkeys } from '@nats-io/transport-node';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock as clock } from '../../../src/kernel/clock.ts';
import { systemRandom as random } from '../../../src/kernel/identity.ts';
import { connectNats } from '../../../src/messaging/nats/connect-nats.ts';
import type { NatsSettings } from '../../../src/messaging/nats/nats-settings.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import { startNatsServer } from '../../support/nats-server.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rota-credentials-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string): string => join(folder, name);

async function connectsTo(settings: NatsSettings): Promise<void> {
  const bus = await connectNats({ clock, random, subjects: new Subjects('jobs'), timeoutMs: 1_000, ...settings });
  await bus.flush();
  await bus.close();
}

test('connects over TLS with a certificate of its own, and not without the authority', async () => {
  makeCertificates();
  await using server = await startNatsServer({
    jetStream: false,
    config: `tls { cert_file: "${file('server.pem')}", key_file: "${file('server.key')}", ca_file: "${file('ca.pem')}", verify: true }`,
  });
  const tls = { caFile: file('ca.pem'), certFile: file('client.pem'), keyFile: file('client.key') };
  await connectsTo({ servers: [server.url], tls });
  await connectsTo({ servers: [`tls://127.0.0.1:${server.port}`], tls });
  await expect(connectsTo({ servers: [server.url] })).rejects.toMatchObject({ code: 'connection' });
  const { certFile, keyFile } = tls;
  await expect(connectsTo({ servers: [server.url], tls: { certFile, keyFile } })).rejects.toMatchObject({
    code: 'connection',
  });
});

test('connects with a credentials file', async () => {
  const [operator, account, user] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createUser()];
  const operatorJwt = jwt(operator, operator.getPublicKey(), { type: 'operator' });
  const all = { subs: -1, data: -1, payload: -1 };
  const limits = { ...all, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const accountJwt = jwt(operator, account.getPublicKey(), { type: 'account', limits });
  const userJwt = jwt(account, user.getPublicKey(), { type: 'user', ...all, pub: {}, sub: {} });
  const seed = Buffer.from(user.getSeed()).toString();
  writeFileSync(
    file('user.creds'),
    `-----BEGIN NATS USER JWT-----\n${userJwt}\n------END NATS USER JWT------\n\n` +
      `-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`,
  );
  await using server = await startNatsServer({
    jetStream: false,
    config: `operator: ${operatorJwt}\nresolver: MEMORY\nresolver_preload: { ${account.getPublicKey()}: ${accountJwt} }`,
  });
  await connectsTo({ servers: [server.url], credsFile: file('user.creds') });
  await expect(connectsTo({ servers: [server.url] })).rejects.toMatchObject({ code: 'connection' });
});

/** A NATS JWT (version 2), signed by whoever issues it. */
function jwt(issuer: ReturnType<typeof nkeys.createUser>, subject: string, claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const body = { jti: subject, iat: 1_700_000_000, iss: issuer.getPublicKey(), sub: subject };
  const text = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part({ ...body, nats: { version: 2, ...claims } })}`;
  return `${text}.${Buffer.from(issuer.sign(Buffer.from(text))).toString('base64url')}`;
}

function makeCertificates(): void {
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=Rota test', '-days', '2');
  writeFileSync(file('names.ext'), 'subjectAltName=IP:127.0.0.1\n');
  for (const name of ['server', 'client']) {
    openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names.ext'];
    openssl('x509', '-req', '-in', `${name}.csr`, ...signed, '-out', `${name}.pem`);
  }
}
