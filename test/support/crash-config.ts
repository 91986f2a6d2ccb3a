import { appendFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import {
  cancel,
  constant,
  defineJob,
  defineScheduler,
  discard,
  every,
  type HandlerContext,
  snooze,
} from '../../src/index.ts';

/** What the jobs of this config are told. */
interface Args {
  /** How long to work, in milliseconds. */
  ms?: number;
  /** How many attempts fail before one succeeds. */
  fails?: number;
  /** What to throw or do, by name. */
  how?: string;
}
type Context = HandlerContext<Args>;

const notesFile = process.env.ROTA_TEST_NOTES ?? '/dev/null';
const note = (what: string, { job }: Context): void => appendFileSync(notesFile, `${what} ${job.id} ${job.run}\n`);

/** Works for a while without looking at its signal, and writes down that it began and ended. */
const work = async (context: Context): Promise<unknown> => {
  note('start', context);
  await wait(context.args.ms ?? 0);
  if (context.job.attempt <= (context.args.fails ?? 0)) throw new Error(`attempt ${context.job.attempt} fails`);
  note('end', context);
  return { run: context.job.run };
};

const backoff = constant({ base: '300ms', jitter: 0 });
const quiet = defineJob<Args>({ type: 'work', backoff, run: work });
const slow = defineJob<Args>({ type: 'slow', queue: 'slow', backoff, run: work });

const polite = defineJob<Args>({
  type: 'polite',
  queue: 'slow',
  async run(context) {
    note('start', context);
    const { promise, resolve } = Promise.withResolvers<void>();
    if (context.signal.aborted) resolve();
    context.signal.addEventListener('abort', () => resolve());
    await promise;
    note(`abort:${String(context.signal.reason)}`, context);
    if (context.args.how === 'throw') throw context.signal.reason;
    if (context.args.how === 'snooze') return snooze('1h');
    return 'put away in time';
  },
});

const deaf = defineJob<Args>({
  type: 'deaf',
  queue: 'slow',
  timeout: '30s',
  backoff,
  async run(context) {
    note('start', context);
    await wait(context.args.ms ?? 0);
    note('end', context);
  },
});

const cyclic: Record<string, unknown> = {};
cyclic.self = cyclic;
const fails = (): never => {
  throw new Error('unreadable');
};
const hostile = new Proxy({}, { get: fails, has: fails, getPrototypeOf: fails, ownKeys: fails });
const THROWN: Record<string, unknown> = {
  ...{ undefined: undefined, null: null, text: 'a text', number: 7, frozen: Object.freeze(new Error('frozen')) },
  ...{ cyclic, symbol: Symbol('odd'), hostile, bare: Object.create(null), huge: new Error('x'.repeat(2_000_000)) },
};

const odd = defineJob<Args>({
  type: 'odd',
  maxAttempts: 1,
  async run({ args: { how = '' } }) {
    if (how === 'stray') void Promise.reject(new Error('left behind'));
    else if (how === 'return-hostile') return hostile;
    else if (how === 'return-cyclic') return cyclic;
    else if (how === 'cancel-huge') return cancel('x'.repeat(2_000_000));
    else if (how === 'discard') return discard('not worth it');
    else throw THROWN[how];
    return 'done';
  },
});

export default defineScheduler({
  queues: { default: 20, slow: 8, single: 1 },
  jobs: [quiet, slow, polite, deaf, odd],
  schedules: { tick: every('1s', quiet, { args: { ms: 1 } }) },
});
