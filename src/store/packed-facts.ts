import type { JobFact } from '../job/job-event.ts';

type Field = keyof JobFact;

/** Every field that a terminal fact may have, but its place, which the row knows. */
const FIELDS: readonly Field[] = [
  'what',
  'at',
  'id',
  'run',
  'type',
  'queue',
  'state',
  'attempt',
  'maxAttempts',
  'durationMs',
  'waitMs',
  'error',
  'nextAt',
  'result',
  'progress',
  'schedule',
];

/** Facts field by field: what all have in common once, the rest as lists. Null is a field that a fact has not. */
interface Packed {
  all: Partial<Record<Field, unknown>>;
  each: Partial<Record<Field, unknown[]>>;
}

/**
 * Writes facts as one text. Facts of one settlement have most fields in common: 45 bytes each instead of 213, which was
 * a quarter of what a settlement wrote.
 */
export function packFacts(facts: readonly JobFact[]): string {
  const packed: Packed = { all: {}, each: {} };
  for (const field of FIELDS) {
    const first = facts[0]?.[field];
    if (facts.every((fact) => fact[field] === first)) packed.all[field] = first;
    else packed.each[field] = facts.map((fact) => fact[field] ?? null);
  }
  return JSON.stringify(packed);
}

/** Reads what {@link packFacts} wrote; the first fact has the place `firstSeq`, and so on without a gap. */
export function unpackFacts(text: string, place: { firstSeq: number; lastSeq: number }): JobFact[] {
  // Only packFacts writes it.
  const { all, each } = JSON.parse(text) as Packed;
  return Array.from({ length: place.lastSeq - place.firstSeq + 1 }, (_, index) => {
    const fact: Partial<Record<Field, unknown>> = {};
    for (const field of FIELDS) {
      const value = field in all ? all[field] : (each[field]?.[index] ?? undefined);
      if (value !== undefined && value !== null) fact[field] = value;
    }
    fact.outboxSeq = place.firstSeq + index;
    // Field by field what a fact was packed from.
    return fact as unknown as JobFact;
  });
}
