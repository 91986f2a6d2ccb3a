import type { EnqueueFunction, HandlerContext, Services } from '../../../job/definition.ts';
import { Issues } from '../../../kernel/check.ts';
import { type Clock, nextTurn } from '../../../kernel/clock.ts';
import { errorText, RotaError } from '../../../kernel/error.ts';
import { type Json, jsonOf } from '../../../kernel/json.ts';
import type { Logger } from '../../../kernel/log.ts';
import type { EnqueueAnswer, FromHost, HandlerLogLevel, ToHost } from './host-messages.ts';

/** What a context is made with. */
export interface AttemptContextWorld {
  clock: Clock;
  post(message: FromHost): void;
  services: Services;
}

/** Log lines of one second that are told; what a handler that spins writes beyond is counted and dropped. */
const LINES_PER_SECOND_MAX = 1_000;
/** Progress is told at once, but not more often than this, in milliseconds; the last one always is. */
const PROGRESS_EVERY_MS = 50;

/** What a handler is given in a thread or process: everything of it is relayed to the node. */
export class AttemptContext {
  readonly key: number;
  readonly jobType: string;
  readonly given: HandlerContext;
  readonly #world: AttemptContextWorld;
  readonly #abort = new AbortController();
  readonly #calls = new Map<number, PromiseWithResolvers<unknown>>();
  #callCount = 0;
  #over = false;
  #progress: { value: Json } | undefined;
  #progressAt = Number.NEGATIVE_INFINITY;
  #second = Number.NEGATIVE_INFINITY;
  #lines = 0;

  constructor(message: ToHost & { type: 'run' }, world: AttemptContextWorld) {
    this.key = message.key;
    this.jobType = message.jobType;
    this.#world = world;
    this.given = {
      args: message.args,
      job: message.job,
      signal: this.#abort.signal,
      log: this.#logger({}),
      progress: (value) => this.#tellProgress(value),
      services: world.services,
      enqueue: this.#enqueue,
    };
  }

  /** The handler has returned: what it left behind is told nothing any more. */
  get isOver(): boolean {
    return this.#over;
  }

  abort(reason: unknown): void {
    this.#abort.abort(reason);
  }

  over(): void {
    this.#flushProgress();
    this.#tellDropped();
    this.#over = true;
    for (const { reject } of this.#calls.values()) reject(new RotaError('closed', 'the handler has returned'));
    this.#calls.clear();
  }

  answered(call: number, answer: EnqueueAnswer): void {
    const waiting = this.#calls.get(call);
    this.#calls.delete(call);
    if (answer.ok) {
      waiting?.resolve(answer.value);
    } else {
      const { code = 'unavailable', message, issues } = answer.error;
      waiting?.reject(new RotaError(code, message, { issues }));
    }
  }

  readonly #enqueue: EnqueueFunction = async (type, args, options = {}) => {
    if (this.#over) throw new RotaError('closed', 'the handler has returned');
    // As it is here: an object with a JSON of its own would not travel as one.
    const issues = new Issues();
    const json = jsonOf(args, 'args', issues);
    const [fault] = issues.list;
    if (fault !== undefined) throw new RotaError('invalid_args', `${fault.path} ${fault.message}`, { issues: [fault] });
    const [jobType, queue] = typeof type === 'string' ? [type, undefined] : [type.type, type.queue];
    const addressed = queue === undefined ? options : { queue, ...options };
    const waiting = Promise.withResolvers<unknown>();
    this.#callCount += 1;
    const call = this.#callCount;
    this.#calls.set(call, waiting);
    try {
      this.#world.post({ type: 'enqueue', key: this.key, call, jobType, args: json, options: addressed });
    } catch (cause) {
      this.#calls.delete(call);
      throw new RotaError('invalid_job', `the options are no JSON: ${errorText(cause)}`, { cause });
    }
    // The node's own client answers in this shape.
    return (await waiting.promise) as Awaited<ReturnType<EnqueueFunction>>;
  };

  #tellProgress(value: Json): void {
    if (this.#over) return;
    const now = this.#world.clock.monotonicMs();
    const waits = this.#progress !== undefined;
    this.#progress = { value };
    if (now - this.#progressAt >= PROGRESS_EVERY_MS) this.#flushProgress();
    else if (!waits) nextTurn(() => this.#flushProgress());
  }

  #flushProgress(): void {
    const kept = this.#progress;
    if (kept === undefined || this.#over) return;
    this.#progress = undefined;
    this.#progressAt = this.#world.clock.monotonicMs();
    this.#post({ type: 'progress', key: this.key, value: kept.value });
  }

  #logger(bound: object): Logger {
    const at =
      (level: HandlerLogLevel) =>
      (fields: object, message: string): void =>
        this.#tellLine(level, { fields: { ...bound, ...fields }, message });
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (fields) => this.#logger({ ...bound, ...fields }),
    };
  }

  #tellLine(level: HandlerLogLevel, line: { fields: object; message: string }): void {
    if (this.#over) return;
    const second = Math.floor(this.#world.clock.monotonicMs() / 1_000);
    if (second !== this.#second) {
      this.#tellDropped();
      this.#second = second;
      this.#lines = 0;
    }
    this.#lines += 1;
    if (this.#lines <= LINES_PER_SECOND_MAX) this.#post({ type: 'log', key: this.key, level, ...line });
  }

  #tellDropped(): void {
    const dropped = this.#lines - LINES_PER_SECOND_MAX;
    this.#lines = 0;
    if (dropped > 0) this.#tellLine('warn', { fields: { dropped }, message: 'log lines of the handler were dropped' });
  }

  /** Functions and the like in fields do not travel; such a line or progress is told as JSON has it. */
  #post(message: FromHost & { type: 'log' | 'progress' }): void {
    try {
      this.#world.post(message);
    } catch {
      this.#world.post(asJson(message));
    }
  }
}

function asJson<M extends FromHost & { type: 'log' | 'progress' }>(message: M): M {
  try {
    return JSON.parse(JSON.stringify(message)) as M; // the same message: only its own JSON fields count
  } catch (error) {
    const fault = errorText(error);
    if (message.type === 'log') return { ...message, fields: { unreadable: fault } };
    return { ...message, value: null };
  }
}
