import type { EnqueueOptions, HandlerJob } from '../../../job/definition.ts';
import type { Outcome, OutcomeError } from '../../../job/outcome.ts';
import type { ErrorCode, Issue } from '../../../kernel/error.ts';
import type { Json } from '../../../kernel/json.ts';

/** The levels that a handler can log at. */
export const HANDLER_LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type HandlerLogLevel = (typeof HANDLER_LOG_LEVELS)[number];

/** How an enqueue that a handler asked for went. */
export type EnqueueAnswer =
  | { ok: true; value: unknown }
  | { ok: false; error: { code: ErrorCode | undefined; message: string; issues: readonly Issue[] } };

/** What a thread or process is told. `key` names an attempt in its pool. */
export type ToHost =
  | { type: 'run'; key: number; jobType: string; attempt: number; args: Json; job: HandlerJob }
  | { type: 'abort'; key: number; reason: unknown }
  | { type: 'answer'; key: number; call: number; answer: EnqueueAnswer };

/** What a thread or process tells of the attempt that it runs. */
export type AttemptNews =
  /** The handler is about to be called: its time counts from here. */
  | { type: 'started'; key: number }
  | { type: 'outcome'; key: number; outcome: Outcome }
  /** An exception or rejection that nobody caught; the thread or process ends. */
  | { type: 'crashed'; key: number; error: OutcomeError }
  | { type: 'log'; key: number; level: HandlerLogLevel; fields: object; message: string }
  | { type: 'progress'; key: number; value: Json }
  | { type: 'enqueue'; key: number; call: number; jobType: string; args: unknown; options: EnqueueOptions };

/** What a thread or process tells of itself. */
export type HostNews =
  /** It could not start, or failed outside of any attempt; it ends. */
  | { type: 'failed'; error: OutcomeError }
  /** What an attempt that has ended left behind failed; it takes no more attempts. */
  | { type: 'tainted'; jobType: string; error: OutcomeError };

/** All that a thread or process tells. */
export type FromHost = AttemptNews | HostNews;

const NEWS = ['started', 'outcome', 'crashed', 'log', 'progress', 'enqueue', 'failed', 'tainted'];

/** Whether a message is ours: handlers can post to the same port. */
export function isFromHost(message: unknown): message is FromHost {
  return typeof message === 'object' && message !== null && 'type' in message && NEWS.includes(String(message.type));
}
