import { writeFileSync } from 'node:fs';
import { nkeys } from '@nats-io/transport-node';

/** A server in operator mode and the credentials file of a user that it knows. */
export interface OperatorMode {
  config: string;
}

/**
 * An operator, an account with JetStream and a user, in JWTs (version 2) as NATS signs them.
 * @param credsFile where the user's credentials file is written
 */
export function operatorMode(credsFile: string): OperatorMode {
  const [operator, user] = [nkeys.createOperator(), nkeys.createUser()];
  const [account, system] = [nkeys.createAccount(), nkeys.createAccount()];
  const operatorJwt = jwt(operator, operator.getPublicKey(), { type: 'operator' });
  const all = { subs: -1, data: -1, payload: -1 };
  const storage = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const noStorage = { mem_storage: 0, disk_storage: 0, streams: 0, consumer: 0 };
  const limits = { ...all, ...storage, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const accountJwt = jwt(operator, account.getPublicKey(), { type: 'account', limits });
  const systemJwt = jwt(operator, system.getPublicKey(), { type: 'account', limits: { ...limits, ...noStorage } });
  const userJwt = jwt(account, user.getPublicKey(), { type: 'user', ...all, pub: {}, sub: {} });
  const seed = Buffer.from(user.getSeed()).toString();
  writeFileSync(
    credsFile,
    `-----BEGIN NATS USER JWT-----\n${userJwt}\n------END NATS USER JWT------\n\n` +
      `-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`,
  );
  return {
    config: [
      ...[`operator: ${operatorJwt}`, `system_account: ${system.getPublicKey()}`, 'resolver: MEMORY'],
      `resolver_preload: { ${account.getPublicKey()}: ${accountJwt}, ${system.getPublicKey()}: ${systemJwt} }`,
    ].join('\n'),
  };
}

/** A user's nkey: its public half for a server's config, its seed for us. */
export function nkeyUser(): { publicKey: string; seed: string } {
  const pair = nkeys.createUser();
  return { publicKey: pair.getPublicKey(), seed: Buffer.from(pair.getSeed()).toString() };
}

/** A NATS JWT, signed by whoever issues it. */
function jwt(issuer: ReturnType<typeof nkeys.createUser>, subject: string, claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const body = { jti: subject, iat: 1_700_000_000, iss: issuer.getPublicKey(), sub: subject };
  const text = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part({ ...body, nats: { version: 2, ...claims } })}`;
  return `${text}.${Buffer.from(issuer.sign(Buffer.from(text))).toString('base64url')}`;
}
