/** OTP's words for what a supervisor refuses, and ours for what OTP does not have. */
export type SupervisorErrorCode =
  | 'missing_id'
  | 'missing_start'
  | 'invalid_restart_type'
  | 'invalid_shutdown'
  | 'invalid_child_type'
  | 'invalid_significant'
  | 'invalid_strategy'
  | 'invalid_intensity'
  | 'invalid_period'
  | 'invalid_auto_shutdown'
  | 'bad_combination'
  | 'duplicate_child_name'
  | 'already_started'
  | 'already_present'
  | 'running'
  | 'restarting'
  | 'not_found'
  | 'noproc'
  | 'failed_to_start_child'
  // of dynamic supervisors
  | 'simple_one_for_one'
  | 'max_children'
  // beyond OTP
  | 'invalid_backoff'
  | 'invalid_start_timeout'
  | 'invalid_ready'
  | 'invalid_max_children'
  | 'start_timeout'
  | 'ended_before_ready'
  | 'abnormal_exit';

/** A refusal or failure told by a supervisor. `code` tells the kinds apart; `cause` is what lies below it. */
export class SupervisorError extends Error {
  override readonly name: string = 'SupervisorError';
  readonly code: SupervisorErrorCode;

  constructor(code: SupervisorErrorCode, message: string, options?: { cause: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** The error that a failed start is told with; the cause is what was thrown, or this same error of the child's child. */
export function failedToStart(id: string, cause: unknown): SupervisorError {
  return new SupervisorError('failed_to_start_child', `child "${id}" did not start`, { cause });
}
