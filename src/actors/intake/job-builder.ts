import type { TypeDefaults } from '../../job/definition.ts';
import type { NewJob } from '../../job/job.ts';
import { type JobRequest, type NewJobWorld, newJob, traceparentText } from '../../job/job-request.ts';
import { ISSUES_MAX } from '../../kernel/check.ts';
import type { Clock } from '../../kernel/clock.ts';
import { assert, RotaError } from '../../kernel/error.ts';
import { isToken, TOKEN_RULE } from '../../kernel/identity.ts';
import type { Headers } from '../../messaging/bus.ts';
import { tokensAfter } from '../../messaging/subjects.ts';
import { checkedArgs } from './checked-args.ts';
import type { Registry } from './registry.ts';

/** What the builder asks. */
export interface JobBuilderWorld {
  registry: Registry;
  clock: Clock;
}

/** Where jobs go, what comes with their request and what they are made with. */
export interface JobPlace {
  queue: string;
  traceparent: string | null;
  /** When the request was made, where that was long ago: delays count from it. */
  madeAt?: number;
  /** The id of the job at a place of the request, for one that names none. */
  idAt(index: number): string;
}

/** A request that may become a job, and its place among those that came with it. */
export interface GoodJob {
  request: JobRequest;
  definition: TypeDefaults | undefined;
  index: number;
}

/** What a checked request becomes a job with, or why it does not. */
export type CheckedJob = GoodJob | { error: RotaError };

type Good = readonly GoodJob[];

/** Makes jobs of requests, the same for those that wait for an answer and for those that wait in a stream. */
export class JobBuilder {
  readonly #world: JobBuilderWorld;

  constructor(world: JobBuilderWorld) {
    this.#world = world;
  }

  /**
   * The queue that a subject names, as `enqueue.<queue>` does; at once where nobody has to be asked.
   * @throws RotaError `invalid_request`, `not_found`, or what the store answers
   */
  queueOf(subject: string): string | Promise<string> {
    const [queue = '', ...rest] = tokensAfter(subject, 2);
    if (!isToken(queue) || rest.length > 0) {
      const text = `must be one token: ${TOKEN_RULE}`;
      throw new RotaError('invalid_request', `the queue in the subject ${text}`, {
        issues: [{ path: 'queue', message: text }],
      });
    }
    const { registry } = this.#world;
    return registry.hasQueue(queue) ? queue : registry.mustKnowQueue(queue).then(() => queue);
  }

  /** Checks requests that stand or fall together, as {@link check} does. @throws RotaError what is wrong with them */
  checkAll(requests: readonly JobRequest[], { many }: { many: boolean }): Good | Promise<Good> {
    const checked = requests.map((request, index) => this.check(request, index, many ? `${index}.` : ''));
    return isAllThere(checked) ? allOf(checked) : Promise.all(checked).then(allOf);
  }

  /**
   * Answers at once where nobody has to be asked: waiting for each of 1,000 costs them 1 µs each.
   * @param prefix what comes before a field in the path of an issue
   */
  check(request: JobRequest, index: number, prefix: string): CheckedJob | Promise<CheckedJob> {
    const definition = this.#world.registry.definition(request.type);
    if (definition !== undefined && definition.schema === undefined) return { request, definition, index };
    return this.#ask(request, index, prefix);
  }

  async #ask(request: JobRequest, index: number, prefix: string): Promise<CheckedJob> {
    const { registry } = this.#world;
    const definition = registry.definition(request.type);
    if (definition === undefined && !(await registry.knowsType(request.type))) {
      const message = `no living node's config names the type "${request.type}"`;
      return { error: new RotaError('unknown_type', message, { issues: [{ path: `${prefix}type`, message }] }) };
    }
    const checked = await checkedArgs(definition, request.args ?? {}, { type: request.type, path: `${prefix}args` });
    if ('error' in checked) return checked;
    const defaults = definition ?? (await registry.defaultsOf(request.type));
    return { request: { ...request, args: checked.args }, definition: defaults, index };
  }

  /** All at once and in order, however long each took to be checked: ids rise in the order of the request. */
  jobs(checked: readonly GoodJob[], place: JobPlace): NewJob[] {
    const now = this.#world.clock.now();
    const { queue, traceparent, madeAt = now } = place;
    let at = 0;
    const newId = (): string => place.idAt(at);
    let world: NewJobWorld = { queue, traceparent, now, madeAt, newId, definition: undefined };
    return checked.map(({ request, definition, index }) => {
      at = index;
      if (definition !== world.definition) world = { ...world, definition };
      return newJob(request, world);
    });
  }
}

/** The trace that a request belongs to, from its headers. */
export const traceparentOf = (headers: Headers): string | null => traceparentText(headerOf(headers, 'traceparent'));

/** A header by its name in lower case, however its sender writes it. */
export function headerOf(headers: Headers, name: string): string | undefined {
  for (const [key, value] of Object.entries(headers)) if (key.toLowerCase() === name) return value;
  return undefined;
}

const isAllThere = (checked: readonly (CheckedJob | Promise<CheckedJob>)[]): checked is readonly CheckedJob[] =>
  !checked.some((check) => check instanceof Promise);

const isGood = (checked: CheckedJob): checked is GoodJob => 'request' in checked;

/** All of them, or the first refusal with everybody's issues. */
function allOf(checked: readonly CheckedJob[]): Good {
  if (checked.every(isGood)) return checked;
  const errors = checked.flatMap((entry) => ('error' in entry ? [entry.error] : []));
  const [first] = errors;
  const issues = errors.flatMap((error) => error.issues).slice(0, ISSUES_MAX);
  assert(first !== undefined, 'what is not good has an error');
  throw new RotaError(first.code, first.message, { issues });
}
