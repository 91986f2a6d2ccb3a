import { Decoder, Encoder } from '@msgpack/msgpack';
import { errorText, RotaError } from '../kernel/error.ts';
import { NESTING_DEPTH_MAX } from '../kernel/json.ts';
import { faultOfPack, type PackFault } from './msgpack-scan.ts';

/** How a body is written: readable on public subjects, compact between actors. */
export type Codec = 'json' | 'msgpack';

/** The header that names the codec of a body; without it a body is JSON. */
export const CONTENT_TYPE = 'Content-Type';
/** What the header says for each codec. */
export const CONTENT_TYPES: Record<Codec, string> = { json: 'application/json', msgpack: 'application/msgpack' };

const EMPTY = new Uint8Array(0);
const utf8 = new TextDecoder('utf-8', { fatal: true });
// Kept for all messages: the library's plain functions make a new one, with a buffer of 2 KiB, for each, which was a
// fifth of what a request between two threads takes.
const packer = new Encoder({ ignoreUndefined: true });
// Binary and extensions are read, so that a check can say where they stand; no request keeps one. Numbers as keys, which
// JSON has not, would become texts without a word.
const unpacker = new Decoder({ mapKeyConverter: textKey });

function textKey(key: unknown): string {
  if (typeof key === 'string') return key;
  throw new Error(`the keys of a map must be texts, as in JSON, not ${typeof key}`);
}

/**
 * Which codec a Content-Type means; a charset after JSON is ignored.
 * @returns undefined for any other type
 */
export function codecOf(contentType: string | undefined): Codec | undefined {
  if (contentType === undefined || contentType === '') return 'json';
  if (contentType === CONTENT_TYPES.msgpack) return 'msgpack';
  const essence = contentType.split(';', 1)[0]?.trim().toLowerCase();
  if (essence === CONTENT_TYPES.json) return 'json';
  return essence === CONTENT_TYPES.msgpack ? 'msgpack' : undefined;
}

/** Writes a value; `undefined` is the empty body. */
export function encode(value: unknown, codec: Codec): Uint8Array {
  if (value === undefined) return EMPTY;
  if (codec === 'msgpack') return packer.encode(value);
  return Buffer.from(JSON.stringify(value), 'utf8');
}

/**
 * Reads a body; an empty one is `{}`. What it takes is bounded by how many bytes there are, whatever they announce.
 * @throws RotaError `invalid_request` when the bytes are not what the codec says
 */
export function decode(bytes: Uint8Array, codec: Codec): unknown {
  if (bytes.length === 0) return {};
  const fault = codec === 'msgpack' ? faultOfPack(bytes) : undefined;
  if (fault !== undefined) throw new RotaError('invalid_request', FAULTS[fault]);
  try {
    return codec === 'json' ? JSON.parse(utf8.decode(bytes)) : unpacker.decode(bytes);
  } catch (cause) {
    const name = codec === 'json' ? 'JSON in UTF-8' : 'MessagePack';
    throw new RotaError('invalid_request', `the body cannot be read as ${name}: ${errorText(cause)}`, { cause });
  }
}

const FAULTS: Record<PackFault, string> = {
  'cut-short': 'the body is not MessagePack: it announces more than there is',
  'reserved-byte': 'the body is not MessagePack: the byte 0xc1 means nothing',
  'too-deep': `the body must nest at most ${NESTING_DEPTH_MAX} levels`,
};
