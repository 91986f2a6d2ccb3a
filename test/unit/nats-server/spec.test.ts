import { describe, expect, test } from 'vitest';
import { isServerReady, readServerLine } from '../../../src/actors/nats-server/server-line.ts';
import { natsServerSpec } from '../../../src/actors/nats-server/spec.ts';
import { startSupervisor } from '../../../src/supervisor/supervisor.ts';
import { fakeServer, recordingLogger } from './world.ts';

describe('a line of the server', () => {
  test.each([
    ['[12] 2026/01/31 10:00:00.000000 [INF] Server is ready', { severe: false, text: 'Server is ready' }],
    ['[12] 2026/01/31 10:00:00.000000 [WRN] Slow', { severe: false, text: 'Slow' }],
    ['[12] 2026/01/31 10:00:00.000000 [ERR] Disk [full]', { severe: true, text: 'Disk [full]' }],
    ['[12] 2026/01/31 10:00:00.000000 [FTL] bind', { severe: true, text: 'bind' }],
    ['nats-server: bad config', { severe: false, text: 'nats-server: bad config' }],
  ])('%s', (line, read) => expect(readServerLine(line)).toEqual(read));

  test('says when it is ready, and a mention of that does not', () => {
    expect(isServerReady('[12] 2026/01/31 10:00:00.000000 [INF] Server is ready')).toBe(true);
    expect(isServerReady('[12] 2026/01/31 10:00:00.000000 [ERR] "Server is ready"')).toBe(false);
  });
});

test('a server that dies before it is ready fails the start with its last lines; errors are logged as warnings', async () => {
  const fatal = '[12] 2026/01/31 10:00:00.000000 [FTL] no disk';
  const { log, lines } = recordingLogger();
  const seen: string[] = [];
  const prepared = {
    command: fakeServer(`hello\n${fatal}`, 1),
    args: [],
    version: '2.10.0',
    url: '',
    configFile: '',
    pidFile: '',
  };
  const spec = natsServerSpec(prepared, { log, onLine: (line) => seen.push(line) });
  const started = startSupervisor({ name: 'root', intensity: 0, children: [spec] });
  await expect(started).rejects.toMatchObject({ code: 'failed_to_start_child', cause: { message: /no disk/ } });
  expect(lines).toEqual(['debug hello', 'warn no disk']);
  expect(seen).toEqual(['hello', fatal]);
});
