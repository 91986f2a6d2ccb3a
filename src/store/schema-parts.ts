/** What a schema is made of. */
export type PartKind = 'table' | 'column' | 'constraint' | 'index' | 'trigger' | 'function';

/** One part of a schema, as its database describes it. */
export interface SchemaPart {
  kind: PartKind;
  /** The table that it is or belongs to; empty for a function. */
  table: string;
  /** Its own name; a function's has its parameters, a table's is empty. */
  name: string;
  /** What it is, in the database's words. Equal for parts that do the same, wherever they stand. */
  definition: string;
  /** Whether it refuses rows: a unique index. */
  unique: boolean;
}

/** A difference between what a schema is and what its migrations make. */
export interface SchemaDifference {
  /**
   * `broken`: Rota cannot run like this. `drifted`: it can, but what it promises or how fast it is may suffer. `extra`:
   * something of the operator's own that is in nobody's way.
   */
  kind: 'broken' | 'drifted' | 'extra';
  text: string;
}

/** A definition that is longer says nothing to a reader. */
const DEFINITION_CHARS_MAX = 160;
/** Extra ones of these only cost room. */
const IN_NOBODYS_WAY: ReadonlySet<PartKind> = new Set<PartKind>(['table', 'function']);

/** Compares what there is with what there should be. What belongs to a table that is missing or extra is not told. */
export function schemaDifferences(there: readonly SchemaPart[], due: readonly SchemaPart[]): SchemaDifference[] {
  const [found, wanted] = [byKey(there), byKey(due)];
  const both = (table: string): boolean =>
    table === '' || [found, wanted].every((parts) => parts.has(keyOf({ kind: 'table', table, name: '' })));
  const told = (part: SchemaPart): boolean => part.kind === 'table' || both(part.table);
  return [
    ...due.filter(told).flatMap((part) => {
      const now = found.get(keyOf(part));
      if (now === undefined) return [missing(part)];
      return now.definition === part.definition ? [] : [otherwise(now, part)];
    }),
    ...there.filter((part) => told(part) && !wanted.has(keyOf(part))).map(extra),
  ];
}

const keyOf = ({ kind, table, name }: Pick<SchemaPart, 'kind' | 'table' | 'name'>): string =>
  JSON.stringify([kind, table, name]);

const byKey = (parts: readonly SchemaPart[]): Map<string, SchemaPart> =>
  new Map(parts.map((part) => [keyOf(part), part]));

function missing(part: SchemaPart): SchemaDifference {
  const slower = part.kind === 'index' && !part.unique;
  return { kind: slower ? 'drifted' : 'broken', text: `${named(part)} is missing` };
}

function otherwise(now: SchemaPart, part: SchemaPart): SchemaDifference {
  const brief = [now, part].every(({ definition }) => definition.length <= DEFINITION_CHARS_MAX);
  const is = brief ? `"${now.definition}", not "${part.definition}"` : "not as Rota's migrations make it";
  return { kind: 'drifted', text: `${named(part)} is ${is}` };
}

function extra(part: SchemaPart): SchemaDifference {
  const harmless = IN_NOBODYS_WAY.has(part.kind) || (part.kind === 'index' && !part.unique);
  return { kind: harmless ? 'extra' : 'drifted', text: `${named(part)} is not of Rota's making` };
}

function named({ kind, table, name }: SchemaPart): string {
  if (kind === 'table') return `table ${table}`;
  if (kind === 'function') return `function ${name}`;
  return kind === 'column' ? `column ${table}.${name}` : `${kind} ${name} of ${table}`;
}
