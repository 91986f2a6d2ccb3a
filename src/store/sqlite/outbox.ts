import type { StatementSync } from 'node:sqlite';
import { isTerminalFact, type JobFact } from '../../job/job-event.ts';
import { integer, type Row, text } from '../cell.ts';
import { packFacts, unpackFacts } from '../packed-facts.ts';

/** A row of the outbox takes no more facts than this, and no more once their results have this many characters. */
const ROW_FACTS_MAX = 500;
const ROW_RESULT_LENGTH_MAX = 64 * 1024;

/**
 * Terminal facts that are not known to be out. Written in the transaction that made them true, many to a row, so
 * that a job costs a few bytes and no insert of its own. A row holds the facts `first_seq` to `last_seq` without a gap.
 */
export class Outbox {
  #pending: JobFact[] = [];
  #nextSeq: number;
  readonly #insert: StatementSync;
  readonly #after: StatementSync;
  readonly #overlapping: StatementSync;
  readonly #delete: StatementSync;
  readonly #oldest: StatementSync;

  constructor(prepare: (sql: string) => StatementSync) {
    this.#insert = prepare('insert into outbox (last_seq, first_seq, oldest_at, facts) values (?, ?, ?, ?)');
    this.#after = prepare('select last_seq, first_seq, facts from outbox where last_seq > ? order by last_seq limit 1');
    // Without the facts: mostly all of them go, and nobody reads them.
    this.#overlapping = prepare('select last_seq, first_seq from outbox where last_seq >= ? order by last_seq limit 1');
    this.#delete = prepare('delete from outbox where last_seq = ?');
    this.#oldest = prepare('select min(oldest_at) as at from outbox');
    const used = prepare("select seq from sqlite_sequence where name = 'outbox'").get();
    this.#nextSeq = used === undefined ? 1 : integer(used.seq) + 1;
  }

  /** Gives the terminal ones of a request's facts their places. */
  keep(facts: readonly JobFact[]): void {
    for (const fact of facts) {
      if (!isTerminalFact(fact.what)) continue;
      fact.outboxSeq = this.#nextSeq++;
      this.#pending.push(fact);
    }
  }

  /** Writes what was kept, inside the group's transaction. */
  flush(): void {
    if (this.#pending.length === 0) return;
    const facts = this.#pending;
    this.#pending = [];
    this.#write(facts);
  }

  /** Forgets what was kept: the group was rolled back. Its places are not used again. */
  drop(): void {
    this.#pending = [];
  }

  /** Facts after a place, oldest first. */
  after(seq: number, limit: number): JobFact[] {
    this.flush();
    const facts: JobFact[] = [];
    let place = seq;
    while (facts.length < limit) {
      const row = this.#after.get(place);
      if (row === undefined) break;
      for (const fact of factsOf(row)) if (seqOf(fact) > seq && facts.length < limit) facts.push(fact);
      place = integer(row.last_seq);
    }
    return facts;
  }

  /** Forgets the facts from one place to another, both included. Of a row that is only partly meant the rest stays. */
  forget(from: number, to: number): void {
    this.flush();
    let place = from;
    while (place <= to) {
      const row = this.#overlapping.get(place);
      if (row === undefined || integer(row.first_seq) > to) return;
      const last = integer(row.last_seq);
      const isPart = integer(row.first_seq) < from || last > to;
      const whole = isPart ? this.#after.get(last - 1) : undefined;
      this.#delete.run(last);
      if (whole !== undefined) {
        const facts = factsOf(whole);
        this.#write(facts.filter((fact) => seqOf(fact) < from));
        this.#write(facts.filter((fact) => seqOf(fact) > to));
      }
      place = last + 1;
    }
  }

  /** When the oldest fact that is not known to be out became true, in milliseconds since the epoch. */
  oldestAt(): number | null {
    this.flush();
    const at = this.#oldest.get()?.at;
    return at === null || at === undefined ? null : integer(at);
  }

  #write(facts: readonly JobFact[]): void {
    for (let from = 0; from < facts.length; ) {
      const row = chunkOf(facts, from);
      const first = row[0];
      if (first === undefined) return;
      from += row.length;
      const oldestAt = row.reduce((at, fact) => Math.min(at, fact.at), first.at);
      this.#insert.run(seqOf(first) + row.length - 1, seqOf(first), oldestAt, packFacts(row));
    }
  }
}

/** As many facts as fit one row; results may be large, so they are weighed. */
function chunkOf(facts: readonly JobFact[], from: number): JobFact[] {
  const row: JobFact[] = [];
  let bytes = 0;
  for (const fact of facts.slice(from, from + ROW_FACTS_MAX)) {
    row.push(fact);
    if (fact.result !== undefined) bytes += JSON.stringify(fact.result).length;
    if (bytes >= ROW_RESULT_LENGTH_MAX) break;
  }
  return row;
}

function seqOf(fact: JobFact): number {
  return integer(fact.outboxSeq);
}

function factsOf(row: Row): JobFact[] {
  return unpackFacts(text(row.facts), { firstSeq: integer(row.first_seq), lastSeq: integer(row.last_seq) });
}
