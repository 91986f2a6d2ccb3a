import { clipText } from '../../job/error-entry.ts';
import { jobType, jsonWithin } from '../../job/job-fields.ts';
import { LIMITS } from '../../job/limits.ts';
import type { Outcome } from '../../job/outcome.ts';
import {
  arrayOf,
  at,
  boolean,
  type Check,
  duration,
  Issues,
  integer,
  isRecord,
  object,
  oneOf,
  optional,
  string,
  time,
} from '../../kernel/check.ts';
import { timeText } from '../../kernel/clock.ts';
import { unreachable } from '../../kernel/error.ts';
import { isToken, isUuid, TOKEN_RULE } from '../../kernel/identity.ts';
import { checkJson, type Json } from '../../kernel/json.ts';
import {
  type AttemptRef,
  jobId,
  type OutcomeReport,
  type PlainEndsView,
  plainEnds,
  plainEndsOf,
} from './plain-ends.ts';

/** Jobs that one claim may ask for at most. */
export const CLAIM_LIMIT_MAX = 1_000;
/** How long a claim may wait at most, in milliseconds. */
export const CLAIM_WAIT_MS_MAX = 30_000;
/** Types that one claim may name at most. */
const TYPES_MAX = 10_000;
/** Jobs that one beat or settlement may name at most. */
export const RUNNING_MAX = 10_000;

const worker = string({ max: 36, accept: isUuid, what: 'a UUID' });
const node = string({ max: 64, accept: isToken, what: `a node name: ${TOKEN_RULE}` });

const runFields = {
  id: jobId,
  attempt: integer(0, Number.MAX_SAFE_INTEGER),
  run: optional(integer(1, Number.MAX_SAFE_INTEGER)),
  // An addition, as the claim said it: tells a job from one with its id that was deleted.
  insertedAt: optional(time),
};

/** `jobs.work.<queue>.claim`. */
export const claimRequest = object({
  worker,
  node,
  limit: optional(integer(1, CLAIM_LIMIT_MAX)),
  waitMs: optional(integer(0, CLAIM_WAIT_MS_MAX)),
  types: optional(arrayOf(jobType, { max: TYPES_MAX })),
});

/** `jobs.work.<queue>.withdraw`. */
export const withdrawRequest = object({ worker });

/** `jobs.work.<queue>.beat`. `node` is an addition: it lets a worker that has claimed nothing yet be known by it. */
export const beatRequest = object({
  worker,
  node: optional(node),
  running: arrayOf(object(runFields), { max: RUNNING_MAX }),
});

const progressValue: Check<{ json: Json }> = (value, path, issues) => {
  if (!checkJson(value, path, issues)) return undefined;
  return jsonWithin(value, path, { bytesMax: LIMITS.progressBytesMax, issues }) ? { json: value as Json } : undefined;
};

/** `jobs.work.<queue>.progress`. */
export const progressRequest = object({ worker, ...runFields, progress: progressValue });

const OUTCOMES = ['complete', 'fail', 'snooze', 'cancel', 'discard', 'release'] as const;
const reason = string({ min: 0, max: 1_000_000, what: 'a text' });
const anyValue: Check<{ it: unknown }> = (value) => ({ it: value });

const common = { ...runFields, outcome: oneOf(OUTCOMES), endSchedule: optional(boolean) };
const shapes = {
  // `resultFault` is an addition: why a worker could not send the result that its handler returned.
  complete: object({ ...common, result: optional(anyValue), resultFault: optional(reason) }),
  fail: object({
    ...common,
    error: object({
      kind: optional(oneOf(['error', 'timeout', 'killed'])),
      message: reason,
      stack: optional(reason),
    }),
    retryIn: optional(duration),
  }),
  snooze: object({ ...common, for: duration }),
  cancel: object({ ...common, reason: optional(reason) }),
  discard: object({ ...common, reason: optional(reason) }),
  release: object(common),
};

const outcomeReport: Check<OutcomeReport> = (value, path, issues) => {
  const word = oneOf(OUTCOMES)(isRecord(value) ? value.outcome : undefined, at(path, 'outcome'), issues);
  if (word === undefined) return undefined;
  const read = readOutcome(word, { value, path, issues });
  if (read === undefined) return undefined;
  const { outcome, ref } = read;
  const { id, attempt, run, insertedAt, endSchedule } = ref;
  const report: OutcomeReport = { ...outcome, id, attempt };
  if (run !== undefined) report.run = run;
  if (insertedAt !== undefined) report.insertedAt = insertedAt;
  if (endSchedule === true) report.endSchedule = true;
  return report;
};

interface Input {
  value: unknown;
  path: string;
  issues: Issues;
}

type OutcomeRef = AttemptRef & { endSchedule?: boolean };

function readOutcome(word: (typeof OUTCOMES)[number], input: Input): { outcome: Outcome; ref: OutcomeRef } | undefined {
  const { value, path, issues } = input;
  switch (word) {
    case 'complete': {
      const ref = shapes.complete(value, path, issues);
      return ref && { ref, outcome: completion(ref.result?.it, ref.resultFault) };
    }
    case 'fail': {
      const ref = shapes.fail(value, path, issues);
      if (ref === undefined) return undefined;
      const { kind = 'error', message } = ref.error;
      const retry = ref.retryIn === undefined ? {} : { retryInMs: ref.retryIn };
      return { ref, outcome: { outcome: word, error: { kind, message: clipText(message) }, ...retry } };
    }
    case 'snooze': {
      const ref = shapes.snooze(value, path, issues);
      return ref && { ref, outcome: { outcome: word, forMs: ref.for } };
    }
    case 'cancel':
    case 'discard': {
      const ref = shapes[word](value, path, issues);
      return ref && { ref, outcome: { outcome: word, reason: clipText(ref.reason ?? '') } };
    }
    case 'release': {
      const ref = shapes.release(value, path, issues);
      return ref && { ref, outcome: { outcome: word } };
    }
    default:
      return unreachable(word);
  }
}

/** A result that is no JSON costs the result and not the completion. */
function completion(result: unknown, fault: string | undefined): Outcome {
  if (fault !== undefined) return { outcome: 'complete', result: null, resultFault: clipText(fault) };
  if (result === undefined) return { outcome: 'complete', result: null };
  const issues = new Issues();
  if (checkJson(result, 'result', issues)) return { outcome: 'complete', result: result as Json };
  const { path, message } = issues.list[0] ?? { path: 'result', message: 'is no JSON' };
  return { outcome: 'complete', result: null, resultFault: `${path} ${message}` };
}

const settleFields = object({
  worker,
  outcomes: arrayOf(outcomeReport, { max: RUNNING_MAX }),
  completed: optional(plainEnds(RUNNING_MAX)),
  claim: optional(object({ node, limit: integer(1, CLAIM_LIMIT_MAX), types: arrayOf(jobType, { max: TYPES_MAX }) })),
});

/** What {@link settleRequest} reads. */
export interface SettleRequest {
  worker: string;
  outcomes: OutcomeReport[];
  claim?: { node: string; limit: number; types: string[] };
}

/**
 * `jobs.work.<queue>.settle`. Additions are `claim`, what to claim in the same transaction, once the settlement has made
 * room, with its jobs in the answer; and `completed`, see {@link briefOutcomes}.
 */
export const settleRequest: Check<SettleRequest> = (value, path, issues) => {
  const read = settleFields(value, path, issues);
  if (read === undefined) return undefined;
  const { completed, outcomes, ...rest } = read;
  if (completed === undefined) return { ...rest, outcomes };
  if (outcomes.length + completed.length > RUNNING_MAX) {
    return issues.add(at(path, 'completed'), `must not make more than ${RUNNING_MAX} with the outcomes`);
  }
  return { ...rest, outcomes: outcomes.concat(completed) };
};

/** Outcomes as a settlement for a store of ours says them, those that are plain in short. */
export function briefOutcomes(reports: readonly OutcomeReport[]): {
  outcomes: Record<string, unknown>[];
  completed?: PlainEndsView[];
} {
  const { plain, others } = plainEndsOf(reports);
  return { outcomes: others.map(outcomeView), ...(plain.length === 0 ? {} : { completed: plain }) };
}

/** Writes an outcome as the wire has it: what {@link settleRequest} reads. */
export function outcomeView(report: OutcomeReport): Record<string, unknown> {
  const { id, attempt, run, insertedAt, outcome, endSchedule } = report;
  const view: Record<string, unknown> = { id, attempt, outcome };
  if (run !== undefined) view.run = run;
  if (insertedAt !== undefined) view.insertedAt = timeText(insertedAt);
  if (endSchedule) view.endSchedule = endSchedule;
  switch (report.outcome) {
    case 'complete':
      view.result = report.result;
      if (report.resultFault !== undefined) view.resultFault = report.resultFault;
      break;
    case 'fail':
      view.error = report.error;
      if (report.retryInMs !== undefined) view.retryIn = report.retryInMs;
      break;
    case 'snooze':
      view.for = report.forMs;
      break;
    case 'cancel':
    case 'discard':
      view.reason = report.reason;
      break;
    case 'release':
      break;
    default:
      unreachable(report);
  }
  return view;
}

/** Writes an attempt as a beat lists it: what {@link beatRequest} reads. */
export function runningView({ id, attempt, run, insertedAt }: Required<AttemptRef>): object {
  return { id, attempt, run, insertedAt: timeText(insertedAt) };
}
