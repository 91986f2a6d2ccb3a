import { type RunningAttempt, runAttempt } from '../actors/executor/attempt.ts';
import type { AnyJobDefinition, EnqueueFunction, HandlerContext, HandlerJob, Services } from '../job/definition.ts';
import { args as jsonArgs } from '../job/job-fields.ts';
import { checkArgs } from '../job/job-request.ts';
import type { Outcome, OutcomeError } from '../job/outcome.ts';
import { Issues } from '../kernel/check.ts';
import type { Clock } from '../kernel/clock.ts';
import { RotaError } from '../kernel/error.ts';
import type { IdSource } from '../kernel/identity.ts';
import { type Json, jsonOf } from '../kernel/json.ts';
import { HandlerWatch } from './handler-watch.ts';
import { LogBook, type LogLine } from './log-book.ts';
import { neverEnds } from './passage.ts';
import { VirtualClock } from './virtual-clock.ts';

/** What a handler is told beside its args. */
export interface PerformOptions extends Partial<Omit<HandlerJob, 'type'>> {
  /** Instead of the node's, or some of them. */
  services?: Services;
  /** Aborts the handler's signal, with its reason. */
  signal?: AbortSignal;
}

/** What came of running a handler alone. */
export interface Performed {
  /** `complete`, `fail`, `snooze`, `cancel` or `discard`, as the worker protocol calls them. */
  outcome: Exclude<Outcome['outcome'], 'release'>;
  /** What it returned, as JSON keeps it; of `complete` only. */
  result?: Json;
  /** Why the result could not be kept. */
  resultFault?: string;
  /** Of `fail` only. */
  error?: OutcomeError;
  /** What the handler threw, as it is. */
  thrown?: unknown;
  /** When `fail` sets its own time for the next attempt. */
  retryInMs?: number;
  /** Of `snooze` only. */
  forMs?: number;
  /** Of `cancel` and `discard` only. */
  reason?: string;
  endSchedule?: true;
  /** What the handler logged. */
  logs: LogLine[];
  /** What it told of its progress, oldest first. */
  progress: Json[];
}

/** What a handler is run with. */
export interface PerformWorld {
  clock: Clock;
  newId: IdSource;
  services: Services;
  enqueue: EnqueueFunction;
  patienceMs: number;
  /** Whether a test's own timer is pending, for which a handler may wait. */
  isAwaited(): boolean;
}

/** One run of a handler: what to run, with which args, and what it is told beside them. */
export interface PerformRequest {
  definition: AnyJobDefinition;
  args: unknown;
  options: PerformOptions;
}

/**
 * Runs a handler alone, without queue or store. Its time-out counts on a clock of its own, which moves when nothing else
 * can wake the handler.
 * @throws RotaError `invalid_args` when the type's schema refuses the args, `invalid_request` when the type has no
 *   handler; Error when the handler never ends
 */
export async function perform(request: PerformRequest, world: PerformWorld): Promise<Performed> {
  const { definition, options } = request;
  if (definition.run === undefined) {
    throw new RotaError('invalid_request', `the type "${definition.type}" has no handler: workers elsewhere run it`);
  }
  const args = await acceptedArgs(definition, request.args);
  const log = new LogBook();
  const progress: Json[] = [];
  const abort = new AbortController();
  const { signal } = options;
  const relay = (): void => abort.abort(signal?.reason);
  if (signal?.aborted) relay();
  signal?.addEventListener('abort', relay, { once: true });
  const context: HandlerContext = {
    args,
    job: jobOf(definition, options, world),
    signal: abort.signal,
    log,
    // As a node keeps it: what is no JSON is lost, and harms no handler.
    progress: (value) => {
      const issues = new Issues();
      const json = jsonOf(value, 'progress', issues) ?? null;
      if (issues.none) progress.push(structuredClone(json));
    },
    services: { ...world.services, ...options.services },
    enqueue: world.enqueue,
  };
  const { outcome, thrown } = await run(definition, context, { abort, world });
  signal?.removeEventListener('abort', relay);
  // An attempt that nobody hands back has one of the other outcomes.
  return { ...(outcome as Omit<Performed, 'logs' | 'progress'>), ...thrown, logs: log.lines, progress };
}

async function run(
  definition: AnyJobDefinition,
  context: HandlerContext,
  { abort, world }: { abort: AbortController; world: PerformWorld },
): Promise<{ outcome: Outcome; thrown: { thrown?: unknown } }> {
  const own = new VirtualClock();
  const watch = new HandlerWatch({ clock: own, timeoutOf: () => undefined, patienceMs: world.patienceMs });
  const thrown: { thrown?: unknown } = {};
  const keeping: AnyJobDefinition = {
    ...definition,
    run: async (given) => {
      try {
        return await definition.run?.(given);
      } catch (error) {
        thrown.thrown = error;
        throw error;
      }
    },
  };
  const attempt: RunningAttempt = runAttempt({
    ...{ definition: watch.watched(keeping), context, attempt: context.job.attempt },
    timeoutMs: definition.timeoutMs,
    clock: own,
    onTimeout: () => abort.abort('timeout'),
  });
  let outcome: Outcome | undefined;
  void attempt.outcome.then((value) => {
    outcome = value;
  });
  for (;;) {
    await watch.rest(() => own.settle());
    if (outcome !== undefined) return { outcome, thrown };
    // A test that lets time pass meanwhile wakes it; then only the handler itself can tell when it is over.
    if (world.isAwaited()) await attempt.outcome;
    else if (own.nextDueMs !== undefined) await own.advance(own.nextDueMs - own.monotonicMs());
    else
      throw neverEnds(
        watch.stuck.length > 0 ? watch.stuck : [{ ...context.job, deadlineMs: undefined, isBusy: false }],
      );
  }
}

async function acceptedArgs(definition: AnyJobDefinition, value: unknown): Promise<Json> {
  const issues = new Issues();
  const json = jsonOf(value ?? {}, 'args', issues);
  const given = json === undefined ? json : jsonArgs(json, 'args', issues);
  const args = given === undefined ? given : await checkArgs(definition, given, { path: 'args', issues });
  // A copy, as one that was stored and read back.
  if (args !== undefined) return structuredClone(args);
  const [first] = issues.list;
  const text = first === undefined ? 'the args are not valid' : `${first.path} ${first.message}`;
  throw new RotaError('invalid_args', text, { issues: issues.list });
}

function jobOf(definition: AnyJobDefinition, options: PerformOptions, { clock, newId }: PerformWorld): HandlerJob {
  const { services: _services, signal: _signal, ...given } = options;
  const { type, queue, maxAttempts, priority } = definition;
  const now = clock.now();
  return {
    id: given.id ?? newId(),
    ...{ type, queue, maxAttempts, priority, attempt: 1, run: given.attempt ?? 1, scheduledAt: now, insertedAt: now },
    ...{ tags: [], meta: {}, reference: null, schedule: null, traceparent: null },
    ...given,
  };
}
