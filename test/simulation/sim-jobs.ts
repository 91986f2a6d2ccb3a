import { defineScheduler, type SchedulerConfig } from '../../src/app/configuration.ts';
import {
  defineJob,
  type HandlerContext,
  type JobDefinition,
  type JobDefinitionOptions,
} from '../../src/job/definition.ts';
import { cancel, discard, snooze } from '../../src/job/outcome.ts';
import { type Clock, sleep } from '../../src/kernel/clock.ts';
import type { IdSource } from '../../src/kernel/identity.ts';
import { cron, every } from '../../src/scheduler/schedule-entry.ts';
import type { Version } from './plan.ts';

/** What handlers are given to be watched by. */
export interface HandlerWatcher {
  clock: Clock;
  newId: IdSource;
  began(job: { id: string; run: number; queue: string }): void;
  ended(job: { id: string; run: number; queue: string }): void;
  /** Says which job is about to be enqueued. */
  wants(id: string, type: string): void;
}

/** What the jobs here are told to do. */
export interface SimArgs {
  ms?: number;
  times?: number;
  key?: string;
  tenant?: string;
}

type Context = HandlerContext<SimArgs>;

/** How many jobs of each queue one node may run at once. */
export const QUEUE_LIMITS = { work: 8, slow: 3, capped: 4, rated: 5, tenants: 6 } as const;

const watcherOf = ({ services }: Context): HandlerWatcher => services.watcher;

type Options = Partial<JobDefinitionOptions<SimArgs>>;

/** What fails comes again before long. */
const SOON: Options = { backoff: { kind: 'constant', baseMs: 2_000, jitter: 0.1 } };

/** A type whose handler is watched from its first line to its last. */
function watched(
  type: string,
  run: (context: Context, watcher: HandlerWatcher) => Promise<unknown>,
  options: Options = {},
): JobDefinition<SimArgs> {
  return defineJob<SimArgs>({
    ...{ type, queue: 'work', ...(type === PLAIN ? {} : SOON) },
    ...options,
    run: async (context) => {
      const watcher = watcherOf(context);
      watcher.began(context.job);
      try {
        return await run(context, watcher);
      } finally {
        watcher.ended(context.job);
      }
    },
  });
}

const rest = async ({ args, signal }: Context, { clock }: HandlerWatcher): Promise<void> => {
  await sleep(clock, args.ms ?? 0, signal);
  if (signal.aborted) throw new Error('given up');
};

/** The type whose jobs have nothing of their own, not even a backoff: stores make less ado about those. */
const PLAIN = 'work';

/** Ends as it should. */
const work = watched(PLAIN, async (context, watcher) => {
  await rest(context, watcher);
  return { attempt: context.job.attempt };
});

/** Fails some times, then succeeds. */
const flaky = watched('flaky', async (context, watcher) => {
  await rest(context, watcher);
  if (context.job.attempt <= (context.args.times ?? 1)) throw new Error(`fails at attempt ${context.job.attempt}`);
});

/** Fails until no attempt is left. */
const doomed = watched(
  'doomed',
  async (context, watcher) => {
    await rest(context, watcher);
    throw new Error('never succeeds');
  },
  { maxAttempts: 3 },
);

/** Hands its attempt back some times. */
const later = watched('later', async (context, watcher) => {
  await rest(context, watcher);
  if (context.job.run <= (context.args.times ?? 1)) return snooze(3_000);
  return undefined;
});

/** Never returns unless its signal aborts. */
const hang = watched(
  'hang',
  async ({ signal }) => {
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    throw new Error('was aborted');
  },
  { timeout: '4s', maxAttempts: 2, queue: 'slow' },
);

/** Does not hear its signal and goes on beyond its timeout, for longer than a lease. */
const deaf = watched(
  'deaf',
  async (_context, { clock }) => {
    await sleep(clock, 150_000);
  },
  { timeout: '3s', maxAttempts: 2, queue: 'slow' },
);

/** Ends itself in other ways. */
const odd = watched('odd', async ({ args }) => (args.times === 1 ? discard('no use') : cancel('not wanted')));

/** Enqueues another job before it ends. */
const parent = watched('parent', async ({ enqueue, job }, watcher) => {
  const id = watcher.newId();
  watcher.wants(id, 'work');
  await enqueue(work, { ms: 5 }, { id, reference: { type: 'parent', id: job.id } });
});

/** At most one of them with the same key. */
const only = watched('only', rest, { unique: { by: ['type', 'queue', 'args'], keys: ['key'] } });

const sameKey = { by: ['type', 'queue', 'args'], keys: ['key'] } as const;

/** A later one with the same key puts its args, priority and tags in the place of those that wait. */
const latest = watched('newest', rest, {
  unique: { ...sameKey, onConflict: { replace: ['args', 'priority', 'tags'] } },
});

/** How long a job of type `settling` may be moved, in milliseconds. */
export const MAX_WAIT_MS = 60_000;

/** A later one with the same key moves the one that waits to its own time. */
const settling = watched('settling', rest, {
  unique: { ...sameKey, onConflict: { reschedule: true, maxWait: MAX_WAIT_MS } },
});

/** Types of which one with the same key waits or runs at most. */
export const UNIQUE_TYPES: readonly string[] = ['only', 'newest', 'settling'];

/** Of a schedule whose ticks come faster than it works. */
const slowTick = watched(
  'slow-tick',
  async (context, watcher) => {
    await sleep(watcher.clock, 100_000, context.signal);
  },
  { queue: 'slow', timeout: '150s' },
);

/** Known to version b only. */
const fresh = watched('fresh', rest);

const TYPES = [work, flaky, doomed, later, hang, deaf, odd, parent, only, latest, settling, slowTick];

/** Every type that clients may ask for. */
export const TYPE_NAMES: readonly string[] = [...TYPES, fresh].map(({ type }) => type);

/** Schedules whose ticks are all accounted for, however versions and leaders change. */
export const STEADY_SCHEDULES = ['all', 'latest', 'skip', 'overlap', 'restart', 'berlin', 'nightly'];

/** Schedules that operators also run by hand. */
export const RUN_BY_HAND: readonly string[] = ['all'];

/** What the nodes of a version run. Schedules end at `endAt`, so that the world can come to rest. */
export function simConfig(version: Version, endAt: number): SchedulerConfig {
  const until = { endAt };
  return defineScheduler({
    queues: QUEUE_LIMITS,
    jobs: version === 'b' ? [...TYPES, fresh] : TYPES,
    schedules: {
      all: every('85s', work, { ...until, misfire: { policy: 'all', max: 1_000 }, args: { ms: 20 } }),
      latest: every('130s', flaky, { ...until, misfire: 'latest' }),
      skip: every('60s', work, { ...until, misfire: 'skip' }),
      overlap: every('75s', slowTick, { ...until, overlap: 'skip' }),
      restart: every('110s', slowTick, { ...until, overlap: 'cancel_running' }),
      berlin: cron('*/5 * * * *', work, {
        ...until,
        timezone: 'Europe/Berlin',
        misfire: { policy: 'all', max: 1_000 },
      }),
      nightly: cron('30 1,2 * * *', work, { ...until, timezone: 'Europe/Berlin', dst: { repeat: 'both' } }),
      thrice: every('190s', work, { ...until, maxRuns: 3 }),
      switched: every('115s', work, { ...until }),
      jittery: every('120s', work, { ...until, jitter: '30s' }),
      boot: cron('@reboot', work),
      ...(version === 'b' ? { changing: every('95s', fresh, until) } : {}),
    },
  });
}
