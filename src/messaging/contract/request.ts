import { isTooLarge } from '../../job/job-fields.ts';
import { type Check, Issues, object } from '../../kernel/check.ts';
import { RotaError, type WireErrorCode } from '../../kernel/error.ts';

/**
 * Reads a request body through a check.
 * @param code what a faulty body is answered with
 * @throws RotaError with that code, or `too_large` where something is over its size; every fault with its path
 */
export function readRequest<T>(body: unknown, check: Check<T>, code: WireErrorCode = 'invalid_request'): T {
  const issues = new Issues();
  const read = check(body, '', issues);
  if (read !== undefined) return read;
  const first = issues.list[0];
  const where = first === undefined || first.path === '' ? 'the request' : first.path;
  throw new RotaError(isTooLarge(issues) ? 'too_large' : code, `${where} ${first?.message ?? 'is not valid'}`, {
    issues: issues.list,
  });
}

/** The refusal of a verb that a subject names and nobody serves. */
export function unknownVerb(verb: string, what: string, verbs: readonly string[]): RotaError {
  const message = `"${verb}" is no verb of ${what}; there are ${verbs.join(', ')}`;
  return new RotaError('invalid_request', message, { issues: [{ path: 'subject', message }] });
}

/** A body without fields. */
export const emptyRequest = object({});
