import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SOURCE = new URL('../../src/index.ts', import.meta.url).href;

/** Writes a config with handlers that misbehave into a folder, as an installation would have it, and answers its path. */
export function writeIsolationConfig(folder: string): string {
  const file = join(folder, 'scheduler.ts');
  writeFileSync(
    file,
    `import { threadId } from 'node:worker_threads';
import { appendFileSync } from 'node:fs';
import { defineJob, defineScheduler, type HandlerContext, type Isolation } from ${JSON.stringify(SOURCE)};

const never = new Promise<never>(() => {});
let made = 0;
const handlers: Record<string, (context: HandlerContext) => unknown> = {
  where: ({ args, services }) => ({ args, pid: process.pid, threadId, made, service: services.name }),
  spin: ({ progress }) => {
    progress({ pid: process.pid });
    for (;;);
  },
  exit: () => process.exit(0),
  reject: () => {
    Promise.reject(new Error('nobody awaits this'));
    return never;
  },
  fill: () => {
    const kept: unknown[] = [];
    for (;;) kept.push(new Array(100_000).fill(kept.length));
  },
  abort: () => process.abort(),
  polite: ({ signal, progress }) => {
    progress({ waiting: true });
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason)));
  },
  parent: async ({ enqueue, log }) => {
    log.info({ from: 'inside' }, 'a line of the handler');
    const { job } = await enqueue('inline.where', { made: 'by a handler' });
    return { child: job.id };
  },
};

const types = (isolation: Isolation) =>
  Object.entries(handlers).map(([name, run]) =>
    defineJob({ type: isolation + '.' + name, isolation, run, maxAttempts: 1 }),
  );

export default defineScheduler({
  queues: { default: 10 },
  jobs: [...types('thread'), ...types('process'), ...types('inline')],
  services: ({ dataFolder }) => {
    made += 1;
    return {
      name: 'services of ' + dataFolder,
      close: () => appendFileSync(dataFolder + '/closed', threadId + ' of ' + process.pid + '\\n'),
    };
  },
});
`,
  );
  return file;
}
