import type { Random } from '../../kernel/identity.ts';
import type { BegunClaims } from '../begun-claims.ts';
import type { Cell, Row } from '../cell.ts';
import type { FirstRun } from '../first-run.ts';
import type { GroupStarts } from './claim-starts.ts';
import type { Connection, Value } from './connection.ts';
import type { FirstRuns } from './first-runs.ts';
import type { GroupSigns } from './group-signs.ts';
import type { Outbox } from './outbox.ts';
import type { PartitionTurns } from './partition-turns.ts';
import type { PruneWalks } from './prune-walks.ts';
import type { QueueHeads } from './queue-heads.ts';
import type { QueueRules } from './queue-rules.ts';
import type { Statements } from './statements.ts';

/** What a transaction works with. */
export interface TransactionParts {
  connection: Connection;
  statements: Statements;
  random: Random;
  /** This store among those of one database. */
  owner: string;
  /** The database's time when the transaction began, in milliseconds since the epoch. */
  now: number;
  /** Its id, as the rows that it inserts name it; undefined: it has none yet. */
  xmin: string | undefined;
  outbox: Outbox;
  firstRuns: FirstRuns;
  signs: GroupSigns;
  starts: GroupStarts;
  queues: QueueRules;
  turns: PartitionTurns;
  heads: QueueHeads;
  prunes: PruneWalks;
  /** Jobs may be there already by id or tick: to insert them looks first. Else that is an error, which ends the group. */
  careful: boolean;
}

/** One group's transaction on one connection: what verbs run their statements in. */
export class Transaction {
  readonly random: Random;
  readonly owner: string;
  readonly now: number;
  readonly xmin: string | undefined;
  readonly outbox: Outbox;
  readonly firstRuns: FirstRuns;
  /** First runs that this group's claims begin, known to others once it has committed. */
  readonly begun: FirstRun[] = [];
  readonly signs: GroupSigns;
  readonly starts: GroupStarts;
  readonly queues: QueueRules;
  readonly turns: PartitionTurns;
  readonly heads: QueueHeads;
  readonly prunes: PruneWalks;
  /** Queues that the group claims from, as long as none of them is locked. */
  readonly toLock = new Set<string>();
  /** The claims of the group; none where each of its requests stands or falls alone. */
  claims: BegunClaims | undefined;
  readonly careful: boolean;
  readonly #connection: Connection;
  readonly #statements: Statements;

  constructor(parts: TransactionParts) {
    this.#connection = parts.connection;
    this.#statements = parts.statements;
    this.random = parts.random;
    this.owner = parts.owner;
    this.now = parts.now;
    this.xmin = parts.xmin;
    this.outbox = parts.outbox;
    this.firstRuns = parts.firstRuns;
    this.signs = parts.signs;
    this.starts = parts.starts;
    this.queues = parts.queues;
    this.turns = parts.turns;
    this.heads = parts.heads;
    this.prunes = parts.prunes;
    this.careful = parts.careful;
  }

  /** Runs a statement of a closed set of texts; rows by column name. `@jobs` is the table of that name. */
  rows(sql: string, values: readonly Value[] = []): Promise<Row[]> {
    return this.#connection.rows(this.#statements.of(sql), values);
  }

  /** {@link rows} as lists of cells, for hot paths: half the cost of rows by name. */
  lists(sql: string, values: readonly Value[] = []): Promise<Cell[][]> {
    return this.#connection.lists(this.#statements.of(sql), values);
  }

  /** Runs a statement of a closed set of texts; how many rows it touched. */
  run(sql: string, values: readonly Value[] = []): Promise<number> {
    return this.#connection.run(this.#statements.of(sql), values);
  }

  /** Runs a statement whose text is put together, so that it is not worth preparing. */
  once(sql: string, values: readonly Value[] = []): Promise<Cell[][]> {
    return this.#connection.lists({ text: this.#statements.text(sql) }, values);
  }

  /** Runs statements without values and without rows. */
  async script(text: string): Promise<void> {
    await this.#connection.script(text);
  }
}
