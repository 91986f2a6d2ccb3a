import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { programEnv } from '../support/program-env.ts';
import { until } from '../support/rota-node.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/rota.js', import.meta.url));
const CONFIG = fileURLToPath(new URL('../support/crash-config.ts', import.meta.url));

/** Ends what is left, whatever became of it: the process of a file, or its group. */
function kill(file: string, of: 'process' | 'group'): void {
  if (!existsSync(file)) return;
  const pid = Number(readFileSync(file, 'utf8'));
  try {
    process.kill(of === 'group' ? -pid : pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

test('a terminal that closes stops the node in order, although it cannot log there any more', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'rota-terminal-'));
  const [leader, code] = [join(folder, 'leader'), join(folder, 'code')];
  // The shell outlives its terminal, hands the signal on as shells do, and tells how the node ended.
  const session = `echo $$ > ${leader}; "${process.execPath}" "${LAUNCHER}" start & node=$!
    trap 'kill -HUP $node' HUP; wait $node; wait $node; echo $? > ${code}`;
  const terminal = spawn('script', ['-qec', session, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: {
      ...{ ...programEnv(), SHELL: '/bin/sh', TERM: 'dumb' },
      ...{ ROTA_CONFIG: CONFIG, ROTA_DATA: join(folder, 'data'), ROTA_TEST_NOTES: join(folder, 'notes') },
      ...{ ROTA_NATS: `embedded://127.0.0.1:${await freePort()}`, ROTA_NODE: 'seen' },
    },
  });
  onTestFinished(() => {
    terminal.kill('SIGKILL');
    kill(leader, 'group');
    kill(join(folder, 'data', 'nats', 'nats-server.pid'), 'process');
    rmSync(folder, { recursive: true });
  });
  const started = Promise.withResolvers<void>();
  const shown: string[] = [];
  createInterface({ input: terminal.stdout }).on('line', (line) => {
    shown.push(line);
    if (line.includes(' started')) started.resolve();
  });
  await started.promise;
  // Text for people, and not JSON.
  expect(shown.join('\n')).toMatch(/\d\d:\d\d:\d\d\.\d{3}.* INFO.*: .*started/);
  terminal.kill('SIGKILL');
  const ended = await until(
    async () => (existsSync(code) ? readFileSync(code, 'utf8') : ''),
    (text) => text.endsWith('\n'),
  );
  expect(ended).toBe('0\n');
});
