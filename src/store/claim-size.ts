/** What the names and the numbers of one claimed job take at most, in bytes of JSON. */
export const CLAIM_FRAME_BYTES = 640;
