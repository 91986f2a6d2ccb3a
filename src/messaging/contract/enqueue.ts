import { type JobRequest, jobRequest, requestFaultCode } from '../../job/job-request.ts';
import { LIMITS } from '../../job/limits.ts';
import { Issues, isRecord } from '../../kernel/check.ts';
import { type Issue, RotaError } from '../../kernel/error.ts';

/** One job of an enqueue: its checked request, or what is wrong with it. */
export type EnqueueEntry = { request: JobRequest } | { error: RotaError };

/** An enqueue body: one job, many that stand or fall together, or many that each stand for themselves. */
export type EnqueueBody = { kind: 'one' | 'many'; requests: JobRequest[] } | { kind: 'each'; entries: EnqueueEntry[] };

/**
 * Checks the body of an enqueue.
 * @throws RotaError `invalid_job` or `too_large`, every fault with its path (`args.to`, in an array `3.args.to`)
 */
export function readEnqueue(body: unknown): EnqueueBody {
  if (Array.isArray(body)) return { kind: 'many', requests: readAll(body) };
  if (isRecord(body) && 'each' in body) return { kind: 'each', entries: readEach(body) };
  const issues = new Issues();
  const request = jobRequest(body, '', issues);
  if (request === undefined) throw invalidJob(issues);
  return { kind: 'one', requests: [request] };
}

function readAll(body: unknown[]): JobRequest[] {
  refuseCount(body.length, '');
  const issues = new Issues();
  const requests = body.map((entry, index) => jobRequest(entry, String(index), issues));
  if (!issues.none) throw invalidJob(issues);
  return requests.filter((request) => request !== undefined);
}

function readEach(body: Record<string, unknown>): EnqueueEntry[] {
  const extra = Object.keys(body).filter((key) => key !== 'each');
  const list = body.each;
  if (extra.length > 0 || !Array.isArray(list)) {
    const found: Issue[] = extra.map((path) => ({ path, message: 'cannot stand beside each' }));
    if (!Array.isArray(list)) found.push({ path: 'each', message: 'must be an array' });
    throw new RotaError('invalid_job', 'the request is not valid', { issues: found });
  }
  refuseCount(list.length, 'each');
  return list.map((entry) => {
    const issues = new Issues();
    const request = jobRequest(entry, '', issues);
    return request === undefined ? { error: invalidJob(issues) } : { request };
  });
}

function refuseCount(count: number, path: string): void {
  if (count >= 1 && count <= LIMITS.jobsPerRequestMax) return;
  const message = `must hold 1 to ${LIMITS.jobsPerRequestMax} jobs, this holds ${count}`;
  throw new RotaError(count === 0 ? 'invalid_job' : 'too_large', `a request ${message}`, {
    issues: [{ path, message }],
  });
}

function invalidJob(issues: Issues): RotaError {
  const code = requestFaultCode(issues);
  const first = issues.list[0];
  const where = first === undefined || first.path === '' ? 'the job' : first.path;
  return new RotaError(code, `${where} ${first?.message ?? 'is not valid'}`, { issues: issues.list });
}
