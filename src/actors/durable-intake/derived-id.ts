import { createHash } from 'node:crypto';

/** What an id is derived from. */
export interface IdOrigin {
  /** The same whenever the message comes again, and no other message's. */
  key: string;
  /** The time in the id, milliseconds since the epoch, where it is the same whenever the message comes again. */
  takenAt?: number;
  /** The job's place in its message, 0 to 1,023. */
  index: number;
}

/** Bits of time that are hashed into an id without a time: its time reads as some day from 1970 to 2004. */
const HASHED_TIME_BYTES = 5;

/**
 * The id of a job whose request named none: a UUIDv7 (RFC 9562) that is the same whenever its message is published or
 * delivered again, so that the store's own rule about ids makes it one job for as long as that is kept. Nothing has to
 * be remembered beside the job, on no node and in no store.
 *
 * What is not time or place is SHA-256 of the key. The broker's time belongs to one publish, and a publisher that
 * repeats itself gets another, so an id by message id cannot hold it: 40 bits of the hash stand there instead, which
 * with the others make 104 (a chance of 10^-13 that two of 10^9 jobs meet). Its first byte is 0, that of every id made
 * by a clock since 2004 is not, so the two kinds never meet. The last 10 bits are the place, so that ids of one message
 * rise.
 */
export function derivedId({ key, takenAt, index }: IdOrigin): string {
  const hash = createHash('sha256').update(key).digest();
  const bytes = Buffer.alloc(16);
  if (takenAt === undefined) hash.copy(bytes, 1, hash.length - HASHED_TIME_BYTES);
  else bytes.writeUIntBE(takenAt, 0, 6);
  hash.copy(bytes, 6, 0, 10);
  bytes.writeUInt8(0x70 | (bytes.readUInt8(6) & 0x0f), 6);
  bytes.writeUInt8(0x80 | (bytes.readUInt8(8) & 0x3f), 8);
  bytes.writeUInt16BE((bytes.readUInt16BE(14) & 0xfc00) | index, 14);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
