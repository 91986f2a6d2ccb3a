/** What a request may be answered with; the numbers go out as `Nats-Service-Error-Code`. */
export const ERROR_STATUS = {
  invalid_request: 400,
  invalid_job: 400,
  invalid_args: 400,
  unknown_type: 400,
  invalid_schedule: 400,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  unsupported_content_type: 415,
  overloaded: 429,
  unavailable: 503,
} as const;

/** A code of the wire contract. */
export type WireErrorCode = keyof typeof ERROR_STATUS;

/** Every code that a {@link RotaError} carries: the wire's, and those that only arise in this process. */
export type ErrorCode =
  | WireErrorCode
  | 'invalid_config'
  | 'timeout'
  | 'connection'
  | 'forbidden'
  | 'job_failed'
  | 'wait_timeout'
  | 'closed';

/** One fault of an input: where (`args.to`, `3.priority`, empty for the whole) and what would be right. */
export interface Issue {
  path: string;
  message: string;
}

/** What an error carries beside its code and message. */
export interface RotaErrorOptions {
  issues?: readonly Issue[];
  cause?: unknown;
}

/** The one error class of Rota's own refusals. `code` tells the kinds apart; the message is for people. */
export class RotaError extends Error {
  override readonly name: string = 'RotaError';
  readonly code: ErrorCode;
  readonly issues: readonly Issue[];

  constructor(code: ErrorCode, message: string, options: RotaErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.issues = options.issues ?? [];
  }
}

/** The status number that goes with a code; what has none of its own is 500. */
export function statusOf(code: ErrorCode): number {
  return code in ERROR_STATUS ? ERROR_STATUS[code as WireErrorCode] : 500;
}

/** An assertion of what must hold inside. A failure is a bug of ours and crashes the actor that meets it. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** Closes a switch over a union: a member without a case becomes a type error. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}

/** A sentence about anything that was thrown, for logs and reasons. Never throws itself. */
export function errorText(thrown: unknown): string {
  try {
    if (thrown instanceof Error) return thrown.message || thrown.name;
    return String(thrown);
  } catch {
    return 'an error that cannot be described';
  }
}
