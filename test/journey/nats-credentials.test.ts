import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type ConnectOptions, connect } from '../../src/client/client.ts';
import { freePort } from '../support/free-port.ts';
import { nkeyUser, operatorMode } from '../support/nats-credentials.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { programEnv } from '../support/program-env.ts';
import { tlsConfig, tlsFile } from '../support/tls-files.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/rota.js', import.meta.url));
const CONFIG = fileURLToPath(new URL('../support/intake-config.ts', import.meta.url));

let folder: string;
const file = (name: string): string => join(folder, name);
const { publicKey, seed } = nkeyUser();
let operator: { config: string };

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rota-let-in-'));
  writeFileSync(file('seed'), seed);
  operator = operatorMode(file('user.creds'));
  operatorMode(file('other.creds'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** One `rota` of the command line, with flags and environment. */
class Program {
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #watchers = new Set<() => void>();
  readonly ended: Promise<number | null>;

  constructor(argv: readonly string[], env: Record<string, string>) {
    const data = mkdtempSync(file('data-'));
    const places = { ROTA_DATA: data, ROTA_CONFIG: CONFIG, ROTA_NODE: 'here' };
    this.#child = spawn(process.execPath, [LAUNCHER, ...argv], {
      ...{ cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] },
      env: { ...programEnv(), ...places, ...env },
    });
    const kill = (): void => void this.#child.kill('SIGKILL');
    process.once('exit', kill);
    this.ended = once(this.#child, 'close').then(([code]) => {
      process.off('exit', kill);
      return code;
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        this.#lines.push(line);
        for (const look of [...this.#watchers]) look();
      });
    }
    onTestFinished(() => this.stop());
  }

  get output(): string {
    return this.#lines.join('\n');
  }

  /** Resolves when it has written a text; rejects when it ends without. */
  said(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (!this.output.includes(text)) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
      look();
      this.ended.then((code) => reject(new Error(`it ended with ${code} before it said "${text}":\n${this.output}`)));
    });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null) this.#child.kill('SIGTERM');
    await this.ended;
  }
}

interface Way {
  what: string;
  server: () => string;
  /** Right flags and variables, then wrong ones, and what the wrong ones are told. */
  flags: () => string[];
  env?: Record<string, string>;
  wrongFlags: () => string[];
  wrongEnv?: Record<string, string>;
  told: string;
  client: () => Partial<ConnectOptions>;
}

const tlsFlags = () => ['--nats-tls-ca', tlsFile('authority.pem')];
const tlsPair = () => ['--nats-tls-cert', tlsFile('client.pem'), '--nats-tls-key', tlsFile('client.key')];

const WAYS: Way[] = [
  {
    what: 'user and password',
    server: () => 'authorization { user: ada, password: secret }',
    flags: () => ['--nats-user', 'ada'],
    env: { ROTA_NATS_PASSWORD: 'secret' },
    wrongFlags: () => ['--nats-user', 'ada'],
    wrongEnv: { ROTA_NATS_PASSWORD: 'wrong' },
    told: 'ROTA_NATS_PASSWORD (--nats-password)',
    client: () => ({ user: 'ada', password: 'secret' }),
  },
  {
    what: 'a token',
    server: () => 'authorization { token: sesame }',
    flags: () => [],
    env: { ROTA_NATS_TOKEN: 'sesame' },
    wrongFlags: () => ['--nats-token', 'wrong'],
    told: 'ROTA_NATS_TOKEN (--nats-token)',
    client: () => ({ token: 'sesame' }),
  },
  {
    what: 'an nkey',
    server: () => `authorization { users: [ { nkey: ${publicKey} } ] }`,
    flags: () => ['--nats-nkey', file('seed')],
    wrongFlags: () => ['--nats-nkey', nkeyUser().seed],
    told: 'ROTA_NATS_NKEY (--nats-nkey)',
    client: () => ({ nkey: file('seed') }),
  },
  {
    what: 'a credentials file',
    server: () => operator.config,
    flags: () => ['--nats-creds', file('user.creds')],
    wrongFlags: () => ['--nats-creds', file('other.creds')],
    told: 'ROTA_NATS_CREDS (--nats-creds)',
    client: () => ({ credsFile: file('user.creds') }),
  },
  {
    what: 'TLS',
    server: () => tlsConfig(),
    flags: tlsFlags,
    wrongFlags: () => ['--nats-tls-ca', tlsFile('stranger.pem')],
    told: 'ROTA_NATS_TLS_CA (--nats-tls-ca)',
    client: () => ({ tls: { caFile: tlsFile('authority.pem') } }),
  },
  {
    what: 'TLS with a certificate of its own',
    server: () => tlsConfig({ verify: true }),
    flags: () => [...tlsFlags(), ...tlsPair()],
    wrongFlags: tlsFlags,
    told: 'ROTA_NATS_TLS_CERT (--nats-tls-cert)',
    client: () => ({
      tls: {
        ...{ caFile: tlsFile('authority.pem') },
        ...{ certFile: tlsFile('client.pem'), keyFile: tlsFile('client.key') },
      },
    }),
  },
];

describe.each(WAYS)('with $what', ({ server, flags, env = {}, wrongFlags, wrongEnv = {}, told, client }) => {
  test('a node, the command line and a client are let in; wrong ones are told which setting to look at', async () => {
    await using nats = await startNatsServer({ config: server() });
    const node = new Program(['start', '--nats', nats.url, ...flags()], env);
    await node.said('"msg":"started"');

    const jobs = new Program(['queues', '--nats', nats.url, ...flags()], env);
    expect(await jobs.ended, jobs.output).toBe(0);
    expect(jobs.output).toContain('default');

    const talker = await connect({ servers: nats.url, ...client() });
    const { id } = await talker.enqueue('work', {});
    expect(await talker.wait(id)).toMatchObject({ state: 'completed' });
    await talker.close();

    // The same code judges for both: one way is enough to see that the command line says it too.
    for (const command of told.includes('PASSWORD') ? ['start', 'queues'] : ['start']) {
      const refused = new Program([command, '--nats', nats.url, ...wrongFlags()], wrongEnv);
      expect(await refused.ended, refused.output).toBe(1);
      expect(refused.output).toContain('does not let us in');
      expect(refused.output).toContain(told);
      expect(refused.output).not.toMatch(/wrong|secret/);
    }
  });
});

test('a server that is away is waited for, whatever the credentials', async () => {
  const port = await freePort();
  const node = new Program(['start', '--nats', `nats://127.0.0.1:${port}`, '--nats-user', 'ada'], {
    ROTA_NATS_PASSWORD: 'secret',
  });
  await node.said('NATS cannot be reached');
  await node.said('"msg":"started"');
  await using nats = await startNatsServer({ port, config: 'authorization { user: ada, password: secret }' });
  const talker = await connect({ servers: nats.url, user: 'ada', password: 'secret', deadline: '30s' });
  const { id } = await talker.enqueue('work', {});
  expect(await talker.wait(id)).toMatchObject({ state: 'completed' });
  await talker.close();
});

test('a server that comes later and refuses ends the node, and its log says which setting to look at', async () => {
  const port = await freePort();
  const flags = ['--nats', `nats://127.0.0.1:${port}`, '--nats-user', 'ada'];
  const node = new Program(['start', ...flags], { ROTA_NATS_PASSWORD: 'wrong' });
  await node.said('"msg":"started"');
  await using _nats = await startNatsServer({ port, config: 'authorization { user: ada, password: secret }' });
  expect(await node.ended).toBe(1);
  expect(node.output).toContain('ROTA_NATS_PASSWORD (--nats-password) the server refuses');
});

test('a password that is changed at the server is an outage to a node that was let in', async () => {
  await using nats = await startNatsServer({ config: 'authorization { user: ada, password: secret }' });
  const node = new Program(['start', '--nats', nats.url, '--nats-user', 'ada'], { ROTA_NATS_PASSWORD: 'secret' });
  await node.said('"msg":"started"');
  await nats.restart('authorization { user: ada, password: other }');
  await node.said('NATS is away');
  await nats.restart('authorization { user: ada, password: secret }');
  await node.said('NATS is back');
});
