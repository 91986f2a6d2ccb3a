import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HandlerContext, JobDefinition, Services } from '../../../src/job/definition.ts';
import type { Json } from '../../../src/kernel/json.ts';
import { silentLogger } from '../../../src/kernel/log.ts';

export interface HandlerRun {
  args?: unknown;
  services: Services;
  signal?: AbortSignal;
  onProgress?: (value: Json) => void;
}

/** Runs a handler alone, as a worker would, in a context made by hand. */
export async function runHandler<Args, Input>(
  definition: JobDefinition<Args, Input>,
  how: HandlerRun,
): Promise<unknown> {
  if (definition.run === undefined) throw new Error(`${definition.type} has no handler`);
  const context: HandlerContext<Args> = {
    args: (how.args ?? {}) as Args, // each test gives what the job's schema would have let through
    job: {
      id: '01890000-0000-7000-8000-000000000000',
      type: definition.type,
      queue: definition.queue,
      attempt: 1,
      maxAttempts: definition.maxAttempts,
      run: 1,
      priority: definition.priority,
      scheduledAt: 0,
      insertedAt: 0,
      tags: [],
      meta: {},
      reference: null,
      schedule: null,
      traceparent: null,
    },
    signal: how.signal ?? new AbortController().signal,
    log: silentLogger,
    progress: how.onProgress ?? (() => {}),
    services: how.services,
    enqueue: () => Promise.reject(new Error('these handlers enqueue nothing')),
  };
  return definition.run(context);
}

/** A folder that is gone when the scope ends: `await using folder = await temporaryFolder()`. */
export async function temporaryFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'rota-config-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
