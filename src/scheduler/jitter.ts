/**
 * How much later than its nominal time a tick fires: 0 to `jitterMs`, both included, and always the same for the same
 * schedule and tick, whichever node asks.
 * @param name of the schedule
 * @param nominalAt milliseconds since the epoch
 */
export function jitterOf(name: string, nominalAt: number, jitterMs: number): number {
  return jitterMs <= 0 ? 0 : Math.floor(fraction(`${name} ${nominalAt}`) * (jitterMs + 1));
}

/**
 * A number in [0, 1) from a text: two FNV-1a hashes of 32 bits with different bases, each stirred by the finalizer of
 * MurmurHash3, since FNV alone hardly moves the high bits for texts that differ in their last digits.
 */
function fraction(text: string): number {
  const high = stirred(fnv1a(text, 0x811c9dc5)) >>> 0;
  const low = stirred(fnv1a(text, 0x9747b28c)) >>> 11;
  return (high * 2 ** 21 + low) / 2 ** 53;
}

function fnv1a(text: string, basis: number): number {
  let hash = basis;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash;
}

function stirred(hash: number): number {
  let bits = hash ^ (hash >>> 16);
  bits = Math.imul(bits, 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}
