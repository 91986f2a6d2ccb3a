import type { Codec } from './codec.ts';

/** What the headers of a message may take of the server's `max_payload`, in bytes. */
export const HEADERS_BYTES_RESERVED = 4_096;

/** The largest body as long as no server has said: that of a `nats-server` as it comes (1 MiB), in bytes. */
export const PAYLOAD_BYTES_MAX_DEFAULT = 1_048_576 - HEADERS_BYTES_RESERVED;

/** What a reply may have beside what it lists, in bytes: its own fields and a margin. */
export const REPLY_FRAME_BYTES = 4_096;

/** MessagePack writes a number with a fraction in nine bytes, of which JSON may need four (`1.5,`). */
const MSGPACK_GROWTH_MAX = 9 / 4;

/** What a list in a reply may take, in bytes of JSON, so that it fits in the reply's codec. */
export function listBytesMax(payloadBytesMax: number, codec: Codec): number {
  const bytes = payloadBytesMax - REPLY_FRAME_BYTES;
  return codec === 'json' ? bytes : Math.floor(bytes / MSGPACK_GROWTH_MAX);
}
