/** SQLite's primary result codes that this adapter tells apart. See https://sqlite.org/rescode.html */
export const RESULT = {
  perm: 3,
  busy: 5,
  locked: 6,
  nomem: 7,
  readonly: 8,
  interrupt: 9,
  ioerr: 10,
  corrupt: 11,
  full: 13,
  cantopen: 14,
  protocol: 15,
  auth: 23,
  notadb: 26,
} as const;

/** SQLite's primary result code of what was thrown, or undefined when SQLite did not throw it. */
export function resultCode(thrown: unknown): number | undefined {
  const code = thrown instanceof Error && 'errcode' in thrown ? thrown.errcode : undefined;
  // The upper bits say more about the same kind of failure.
  return typeof code === 'number' ? code & 0xff : undefined;
}

/** Whether the world failed (disk, memory, lock) and not the request: then nothing of the group can be written. */
export function isWorldFault(thrown: unknown): boolean {
  const code = resultCode(thrown);
  return code !== undefined && (Object.values(RESULT) as number[]).includes(code);
}

/** Whether the disk is full, or the file as large as it may be. */
export const isDiskFull = (thrown: unknown): boolean => resultCode(thrown) === RESULT.full;
