import { Body } from '../../messaging/body.ts';
import type { Codec } from '../../messaging/codec.ts';
import type { InsertResult } from '../../store/job-store.ts';

/**
 * The answer to an insert. Of many jobs nobody asks back the args, and of one only where they fit, for who asked has
 * them; and where the rest does not fit, nothing else that can be large.
 */
export function insertedBody(results: readonly InsertResult[], as: { codec: Codec; bytesMax: number }): Body {
  if (results.length === 1) {
    const whole = Body.of({ answer: results }, as.codec);
    // Measuring is encoding, which is done once and for every way out of the thread.
    if (whole.bytes.length <= as.bytesMax) return whole;
  }
  const usual = results.map(({ job, conflict }) => ({ job: { ...job, args: null }, conflict }));
  const body = Body.of({ answer: usual }, as.codec);
  if (body.bytes.length <= as.bytesMax) return body;
  const small = { args: null, meta: {}, tags: [], result: null, errors: [], progress: null };
  return Body.of({ answer: results.map(({ job, conflict }) => ({ job: { ...job, ...small }, conflict })) }, as.codec);
}
