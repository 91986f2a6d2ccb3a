import { describe, expect, test } from 'vitest';
import { packageVersion } from '../../../src/app/version.ts';
import { COMMANDS } from '../../../src/cli/main.ts';
import { RotaError } from '../../../src/kernel/error.ts';
import { rota } from './fake-world.ts';

describe('help', () => {
  test('lists every command', async () => {
    const { code, stdout } = await rota(['help']);
    expect(code).toBe(0);
    for (const { name, summary } of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${name} +${summary}$`, 'm'));
    expect(stdout).toContain('Exit codes: 0');
    expect((await rota(['--help'])).stdout).toBe(stdout);
  });

  test.each(COMMANDS.map(({ name }) => name))('tells of %s, the same both ways', async (name) => {
    const { code, stdout } = await rota(['help', name]);
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: rota ${name}`);
    expect(stdout).toContain('--json');
    expect((await rota([name, '--help'])).stdout).toBe(stdout);
  });

  test('says where each setting of start comes from', async () => {
    const { stdout } = await rota(['start', '--help']);
    expect(stdout).toMatch(/--lease VALUE +.*\[ROTA_LEASE, 30s\]/);
    expect(stdout).toMatch(/--nats-tls-ca VALUE +.*\[ROTA_NATS_TLS_CA\]/);
  });

  test('shows the version', async () => {
    expect(await rota(['--version'])).toMatchObject({ code: 0, stdout: `${packageVersion()}\n` });
  });
});

describe('a command line that is at fault', () => {
  test.each([
    [[], 'Usage: rota COMMAND'],
    [['jobz'], '"jobz" is no command; did you mean "jobs"?'],
    [['help', 'nothing'], '"nothing" is no command'],
    [['--json', 'jobs'], '--json stands before the command'],
    [['jobs', '--colour'], '--colour is no flag of "rota jobs"'],
    [['jobs', 'not-an-id'], 'not-an-id is no job id'],
    [['jobs', '--limit', '0'], '--limit 0 is out of range'],
    [['watch', 'a..b'], '"a..b" is no NATS subject'],
    [['watch', 'a.>.b'], 'is no NATS subject'],
    [['watch', '--count', 'x'], '--count x is out of range'],
    [['enqueue'], '"rota enqueue" needs TYPE'],
    [['enqueue', 'a', '{'], 'it ends too early'],
    [['tree', '--nats', 'ftp://x'], '--nats must be embedded://host:port'],
    [['jobs', '--nats', 'embedded://127.0.0.1:0'], 'port 0 lets the node choose'],
  ])('%j is exit code 2 and touches nothing', async (argv, message) => {
    const { code, stdout, stderr, world } = await rota(argv);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('    at ');
    expect(world.connects).toEqual([]);
  });

  test('is told in JSON where JSON is wanted', async () => {
    const { code, stderr } = await rota(['jobs', '--lmit', '3', '--json']);
    expect(code).toBe(2);
    expect(JSON.parse(stderr)).toEqual({
      error: {
        code: 'usage',
        message: '--lmit is no flag of "rota jobs"; did you mean --limit?',
        hint: '"rota jobs --help" shows what it takes',
      },
    });
  });
});

describe('a failure', () => {
  const refused = new RotaError('invalid_job', 'priority must be 0 to 9', {
    issues: [
      { path: 'priority', message: 'must be 0 to 9' },
      { path: 'args.to', message: 'is required' },
    ],
  });
  const client = { list: () => Promise.reject(refused) };

  test('is exit code 1 with its message and every issue that this does not tell already', async () => {
    const { code, stdout, stderr, world } = await rota(['jobs'], { client });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toBe('rota: priority must be 0 to 9\n  args.to is required\n');
    expect(world.closed).toBe(true);
  });

  test('has its issues in JSON', async () => {
    const { stderr } = await rota(['jobs', '--json'], { client });
    expect(JSON.parse(stderr).error).toEqual({ code: 'invalid_job', message: refused.message, issues: refused.issues });
  });

  test.each([[['--log-level', 'debug']], [['--log-level=trace']]])('has its stack with %j', async (flags) => {
    expect((await rota(['jobs', ...flags], { client })).stderr).toContain('    at ');
  });

  test('that is none of our own tells what is behind it', async () => {
    const cause = new Error('it broke', { cause: 'the disk' });
    const broken = { list: () => Promise.reject(new Error('no list', { cause })) };
    expect((await rota(['jobs'], { client: broken })).stderr).toBe('rota: no list: it broke: the disk\n');
  });

  test('of connecting says what to do', async () => {
    const connectError = new RotaError('connection', 'ECONNREFUSED');
    const { code, stderr } = await rota(['tree', '--nats', 'embedded://127.0.0.1:5'], { connectError });
    expect(code).toBe(1);
    expect(stderr).toBe(
      'rota: cannot reach NATS at nats://127.0.0.1:5: is Rota running? start it with "npm start" or name the server with --nats\n',
    );
  });

  test('of being let in names the flags for that', async () => {
    const issues = [{ path: 'password', message: 'is refused' }];
    const connectError = new RotaError('connection', 'NATS does not let us in', { issues });
    const { code, stderr } = await rota(['tree', '--nats-user', 'a'], { connectError });
    expect(code).toBe(1);
    expect(stderr).toBe('rota: NATS does not let us in\n  ROTA_NATS_PASSWORD (--nats-password) is refused\n');
  });

  test('to find a Rota says where it was looked for', async () => {
    const absent = { list: () => Promise.reject(new RotaError('unavailable', 'nobody serves jobs.job.list')) };
    const { stderr } = await rota(['jobs'], { client: absent, env: { ROTA_PREFIX: 'mine', ROTA_NATS: 'nats://h:1' } });
    expect(stderr).toBe('rota: nobody serves jobs.job.list; is a Rota with the prefix "mine" running at nats://h:1?\n');
  });
});
