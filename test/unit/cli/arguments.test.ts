import { describe, expect, test } from 'vitest';
import { SETTINGS, type SettingName } from '../../../src/app/settings.ts';
import { nearest, readArguments } from '../../../src/cli/arguments.ts';
import { defineCommand } from '../../../src/cli/command.ts';
import { ALL_SETTINGS, CONNECTION_SETTINGS, connectionSettings, flagName } from '../../../src/cli/setting-flags.ts';
import { UsageError } from '../../../src/cli/usage-error.ts';
import { RotaError } from '../../../src/kernel/error.ts';

const command = defineCommand({
  name: 'try',
  summary: 'is for trying',
  positionals: [
    { name: 'FIRST', required: true, what: 'a word' },
    { name: 'SECOND', what: 'another' },
  ],
  flags: {
    tag: { type: 'string', multiple: true, what: 'a tag' },
    queue: { type: 'string', what: 'a queue' },
    wait: { type: 'boolean', what: 'wait' },
  },
  settings: ALL_SETTINGS,
  examples: [],
  run: async () => 0,
});

const read = (...args: string[]) => readArguments(command, args);
const refusal = (...args: string[]): string => {
  try {
    read(...args);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  throw new Error('it was not refused');
};

describe('readArguments', () => {
  test('tells words, flags and settings apart, in any order', () => {
    const args = ['--tag', 'a', 'one', '--wait', '--nats-user=me', '--tag=b', 'two', '--leader-lease', '3s', '--json'];
    const { flags, settings, positionals } = read(...args);
    expect(positionals).toEqual(['one', 'two']);
    expect(flags).toMatchObject({ tag: ['a', 'b'], wait: true, json: true });
    expect(settings).toEqual({ natsUser: 'me', leaderLease: '3s' });
  });

  test('takes what follows -- as words, and a value with a dash after =', () => {
    expect(read('--queue=-q', '--', '-5', '--wait').positionals).toEqual(['-5', '--wait']);
    expect(read('--queue=-q', 'x').flags.queue).toBe('-q');
  });

  test('asks for no words when it is asked for help', () => {
    expect(read('--help').help).toBe(true);
    expect(read('-h').help).toBe(true);
  });

  test.each([
    [['x', '--quue', 'a'], '--quue is no flag of "rota try"; did you mean --queue?'],
    [['x', '--constructor'], '--constructor is no flag of "rota try"'],
    [['x', '-q'], '-q is no flag of "rota try"'],
    [['x', '--queue'], '--queue needs a value: --queue VALUE'],
    [['x', '--queue', '--wait'], 'a value that begins with "-" is given as --queue=--wait'],
    [['x', '--queue='], '--queue needs a value'],
    [['x', '--queue', 'a', '--queue', 'b'], '--queue is given twice'],
    [['x', '--wait=yes'], '--wait takes no value'],
    [[], '"rota try" needs FIRST: a word'],
    [['a', 'b', 'c'], '"c" is too much for "rota try"'],
  ])('refuses %j', (args, message) => expect(refusal(...args)).toContain(message));
});

describe('the flags of settings', () => {
  test('are the names of the table in kebab case, each once', () => {
    expect(ALL_SETTINGS).toEqual(Object.keys(SETTINGS));
    expect(flagName('natsTlsCa')).toBe('nats-tls-ca');
    for (const name of ALL_SETTINGS) {
      expect(read('x', `--${flagName(name)}`, 'value').settings).toEqual({ [name]: 'value' });
    }
  });

  test('are few for a command that only connects', () => {
    const others: SettingName[] = ['store', 'data', 'roles', 'queues', 'node', 'config'];
    expect(CONNECTION_SETTINGS).toEqual(expect.arrayContaining(['nats', 'natsUser', 'natsInbox', 'prefix']));
    expect(CONNECTION_SETTINGS.filter((name) => others.includes(name))).toEqual([]);
  });

  test('beat the environment, of which only what concerns the connection is looked at', () => {
    const env = { ROTA_NATS: 'nats://env:1', ROTA_PREFIX: 'env', ROTA_STORE: 'nonsense' };
    const settings = connectionSettings({ nats: 'nats://flag:2' }, env);
    expect(settings.nats).toEqual({ kind: 'servers', servers: ['nats://flag:2'] });
    expect(settings.prefix).toBe('env');
  });

  test('are named in what is wrong with them; a variable is named as itself', () => {
    const wrong = (): unknown => connectionSettings({ prefix: 'a.b' }, { ROTA_NATS: 'ftp://x' });
    expect(wrong).toThrow(RotaError);
    try {
      wrong();
    } catch (error) {
      const paths = error instanceof RotaError ? error.issues.map(({ path }) => path) : [];
      expect(paths.sort()).toEqual(['--prefix', 'ROTA_NATS']);
    }
  });
});

test.each([
  ['jobz', 'jobs'],
  ['shedules', 'schedules'],
  ['STAT', 'start'],
  ['strat', 'start'],
  ['rtee', 'tree'],
  ['xyzzy', undefined],
])('nearest to %s is %s', (word, expected) => {
  expect(nearest(word, ['start', 'jobs', 'schedules', 'tree'])).toBe(expected);
});
