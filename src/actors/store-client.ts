import { RotaError } from '../kernel/error.ts';
import { Body } from '../messaging/body.ts';
import type { Bus } from '../messaging/bus.ts';
import { CONTENT_TYPES, encode } from '../messaging/codec.ts';
import { briefJobs } from '../messaging/contract/brief.ts';
import { ask, replyValue } from '../messaging/reply.ts';
import type { Subjects } from '../messaging/subjects.ts';
import type { StoreAnswer, StoreOptions, StoreVerb } from '../store/job-store.ts';
import { insertedResults } from './inserted-body.ts';

/** How long an actor waits for the store before it counts as away. */
export const STORE_TIMEOUT_MS = 15_000;
/** Bytes of a message that are not the part that it carries. */
const PART_FRAME_BYTES = 256;

/** Asks the persistence actor, wherever it is. */
export interface StoreClient {
  /** @throws RotaError `unavailable`, `timeout`, `overloaded`, or what the verb refuses with */
  ask<V extends StoreVerb>(verb: V, options: StoreOptions<V>): Promise<StoreAnswer<V>>;
  /** The same, with the time at the store in milliseconds since the epoch, where the answer tells it. */
  askTimed<V extends StoreVerb>(verb: V, options: StoreOptions<V>): Promise<TimedAnswer<V>>;
}

/** An answer of the store's. */
export interface TimedAnswer<V extends StoreVerb> {
  answer: StoreAnswer<V>;
  now?: number;
}

/**
 * A client of the store over the bus. Rows are larger than the request that they were made of; where they do not fit
 * into one message to another process they go in parts.
 */
export function storeClient(bus: Bus, subjects: Subjects, timeoutMs: number = STORE_TIMEOUT_MS): StoreClient {
  const send = async (verb: StoreVerb, value: unknown): Promise<unknown> => {
    const body = Body.of(value, 'msgpack');
    try {
      return replyValue(await bus.request(subjects.store(verb), { body }, { timeoutMs }));
    } catch (error) {
      // Measuring is encoding, which a request that stays in this process needs not: so it is tried first.
      const isLarge = error instanceof RotaError && error.code === 'too_large';
      if (!isLarge || body.bytes.length <= bus.payloadBytesMax) throw error;
      return await askInParts(bus, subjects, { verb, bytes: body.bytes, timeoutMs });
    }
  };
  const insert = async (options: StoreOptions<'insert'>): Promise<TimedAnswer<'insert'>> => {
    const brief = briefInsert(options);
    const reply = await send('insert', brief).catch((error: unknown) => {
      // An owner of an earlier version knows only whole jobs.
      if (brief === options || !(error instanceof RotaError) || error.code !== 'invalid_request') throw error;
      return send('insert', options);
    });
    return inserted(options, reply);
  };
  const askTimed = async <V extends StoreVerb>(verb: V, options: StoreOptions<V>): Promise<TimedAnswer<V>> => {
    // The persistence actor is ours and answers each verb in its own shape; the options are the verb's.
    const reply = verb === 'insert' ? await insert(options as StoreOptions<'insert'>) : await send(verb, options);
    return reply as TimedAnswer<V>;
  };
  return { askTimed, ask: async (verb, options) => (await askTimed(verb, options)).answer };
}

/** An insert as it travels: `alike` instead of `jobs` where those after the first need not be told whole. */
function briefInsert(options: StoreOptions<'insert'>): object {
  const { jobs, ...rest } = options;
  const brief = briefJobs(jobs);
  return brief.asFirst === true && jobs.length > 1 ? { ...rest, alike: brief.jobs } : options;
}

/** The answer to an insert leaves out what was stored as it was sent. */
function inserted({ jobs }: StoreOptions<'insert'>, reply: unknown): TimedAnswer<'insert'> {
  const { answer, ...time } = reply as TimedAnswer<'insert'>;
  return { ...time, answer: insertedResults(jobs, answer) };
}

/** The parts go one after the other to the one who takes the first word; the answer to the last is that of the whole. */
async function askInParts(
  bus: Bus,
  subjects: Subjects,
  { verb, bytes, timeoutMs }: { verb: StoreVerb; bytes: Uint8Array; timeoutMs: number },
): Promise<unknown> {
  const begun = await ask(bus, subjects.store('parts'), { value: { verb, bytes: bytes.length }, timeoutMs });
  const { answer } = begun as { answer: { node: string; number: number } };
  const to = subjects.actor(answer.node, 'persistence', 'part');
  const partBytes = Math.max(1, bus.payloadBytesMax - PART_FRAME_BYTES);
  let reply: unknown;
  for (let from = 0; from < bytes.length; from += partBytes) {
    const part = bytes.subarray(from, from + partBytes);
    // Written here, for between two threads a value travels as JSON, which has no bytes.
    const body = Body.encoded(encode({ number: answer.number, from, part }, 'msgpack'), CONTENT_TYPES.msgpack);
    reply = replyValue(await bus.request(to, { body }, { timeoutMs }));
  }
  return reply;
}
