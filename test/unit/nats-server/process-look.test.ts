import { describe, expect, test } from 'vitest';
import { lookAtProcess, readProc, readPs } from '../../../src/actors/nats-server/process-look.ts';
import { spawned } from './world.ts';

const stat = (state: string, flags: number, threads: number): string =>
  `42 (a) b (c)) ${state} 1 42 42 0 -1 ${flags} 0 0 0 0 1 2 0 0 20 0 ${threads} 0 123456 0 0`;

describe('what /proc tells of a process', () => {
  test.each([
    ['runs', stat('S', 0x400000, 8)],
    ['runs', stat('R', 0, 1)],
    ['ending', stat('R', 0x400004, 8)],
    ['ending', stat('Z', 0x40000c, 3)],
    ['gone', stat('Z', 0x40000c, 1)],
    ['gone', ''],
  ])('%s: %s', (kind, text) => expect(readProc(text, 'sh\0-c\0a b\0').kind).toBe(kind));

  test('is its command line, joined by blanks', () => {
    expect(readProc(stat('S', 0, 1), 'sh\0-c\0a b\0')).toEqual({ kind: 'runs', commandLine: 'sh -c a b' });
  });
});

describe('what ps tells of a process', () => {
  test.each([
    ['Ss   nats-server -c /a b/c.conf\n', { kind: 'runs', commandLine: 'nats-server -c /a b/c.conf' }],
    ['Z    [nats-server] <defunct>\n', { kind: 'gone' }],
    ['?Es  (nats-server)\n', { kind: 'ending' }],
    ['', { kind: 'gone' }],
  ])('%j', (text, look) => expect(readPs(text)).toEqual(look));
});

test('a real process runs, then is gone', async () => {
  const { child, pid, exited, line } = spawned(process.execPath, [
    '-e',
    'console.log("up"); setInterval(() => {}, 1e6)',
  ]);
  await line(/up/);
  expect(await lookAtProcess(pid)).toMatchObject({ kind: 'runs', commandLine: expect.stringContaining(' -e console') });
  child.kill('SIGKILL');
  await exited;
  expect(await lookAtProcess(pid)).toEqual({ kind: 'gone' });
});
