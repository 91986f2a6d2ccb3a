/**
 * What a job may weigh. Sizes are bytes of JSON in UTF-8; lengths are characters. The wire contract names the same. All of
 * them together fit into a message of a NATS server as it comes, 1 MiB: a job that no reply could hold would be lost to sight.
 */
export const LIMITS = {
  argsBytesMax: 256 * 1024,
  resultBytesMax: 256 * 1024,
  metaBytesMax: 64 * 1024,
  progressBytesMax: 4 * 1024,
  tagsMax: 32,
  tagLengthMax: 128,
  referencePartLengthMax: 256,
  errorTextBytesMax: 16 * 1024,
  errorsKeptMax: 20,
  attemptsMax: 1_000,
  jobsPerRequestMax: 1_000,
  cronLengthMax: 256,
  traceparentLengthMax: 128,
} as const;

/** A type's attempts when neither it nor the request says: Oban's and River's range is 20 to 25. */
export const MAX_ATTEMPTS_DEFAULT = 20;

/** Names for priorities; 0 is served first, 9 last. */
export const PRIORITIES = { critical: 0, high: 2, normal: 5, low: 9 } as const;
export type PriorityName = keyof typeof PRIORITIES;
/** 0 (first) to 9 (last), or a name. */
export type Priority = number | PriorityName;
