import { appendFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { isMainThread } from 'node:worker_threads';
import { constant, defineJob, defineScheduler, type HandlerContext, type Isolation } from '../../src/index.ts';
import { passFaultPoint } from './fault-point.ts';

/** How long a handler works, in milliseconds. */
interface Args {
  ms?: number;
}
type Context = HandlerContext<Args>;

const notesFile = process.env.ROTA_TEST_NOTES ?? '/dev/null';
const note = (what: string, { job }: Context): void => appendFileSync(notesFile, `${what} ${job.id} ${job.run}\n`);
const backoff = constant({ base: '100ms', jitter: 0 });
/** In a thread or process for jobs. */
const isHost = !isMainThread || process.send !== undefined;

/** Works for a while. In a host with fault points: `hosted:began`, and `hosted:returned` before its outcome is posted. */
const work = async (context: Context): Promise<unknown> => {
  note('start', context);
  if (isHost) passFaultPoint('hosted:began');
  await wait(context.args.ms ?? 0);
  note('end', context);
  return {
    // Asked for when the handler has returned and its outcome is made.
    toJSON: () => {
      if (isHost) passFaultPoint('hosted:returned');
      return { run: context.job.run };
    },
  };
};

/** Does not return from every other attempt, nor let anything else happen in its thread. */
const spin = async (context: Context): Promise<unknown> => {
  note('start', context);
  while (context.job.attempt % 2 === 1);
  note('end', context);
  return null;
};

const typesOf = (isolation: Isolation) => [
  defineJob<Args>({ type: `${isolation}.work`, isolation, backoff, run: work }),
  ...(isolation === 'inline'
    ? []
    : [defineJob<Args>({ type: `${isolation}.spin`, isolation, backoff, timeout: '200ms', run: spin })]),
];

/** Jobs of each isolation; making and closing the services of a thread or process has fault points. */
export default defineScheduler({
  queues: { default: 20 },
  jobs: [...typesOf('inline'), ...typesOf('thread'), ...typesOf('process')],
  services: async () => {
    if (!isHost) return {};
    appendFileSync(notesFile, `host ${process.pid} ${process.ppid}\n`);
    passFaultPoint('services:making');
    await wait(1);
    passFaultPoint('services:made');
    return { close: () => passFaultPoint('services:close') };
  },
});
