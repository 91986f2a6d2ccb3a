import { DatabaseSync } from 'node:sqlite';
import { integer, text } from '../cell.ts';
import { type PartKind, type SchemaDifference, type SchemaPart, schemaDifferences } from '../schema-parts.ts';
import { openDatabase } from './database.ts';
import { MIGRATIONS } from './migrate.ts';

/**
 * Compares a store that is at the newest version with what the migrations make of an empty one. Changes nothing.
 * @throws RotaError `unavailable` when another living process owns it, `invalid_config` when it cannot be a store
 */
export function examineDatabaseSchema(path: string): SchemaDifference[] {
  using db = openDatabase({ path, ownerWaitMs: 0 });
  using fresh = new DatabaseSync(':memory:');
  for (const sql of MIGRATIONS) fresh.exec(sql);
  return schemaDifferences(partsOf(db), partsOf(fresh));
}

/** Conditions on values are not compared: they stand only in their table's text, which each change rewrites. */
const PARTS = `
with ours as (select name as tbl, strict, wr from pragma_table_list
  where schema = 'main' and type = 'table' and name not like 'sqlite\\_%' escape '\\')
select 'table' as kind, tbl, '' as name,
    concat_ws(' ', case strict when 1 then 'strict' end, case wr when 1 then 'without rowid' end, 'table') as definition,
    0 as is_unique from ours
union all
select 'column', tbl, name, concat_ws(' ', type, case "notnull" when 1 then 'not null' end, 'default ' || dflt_value,
    case when pk > 0 then 'primary key ' || pk end), 0
  from ours join pragma_table_xinfo(tbl)
union all
select 'index', tbl, idx.name, concat_ws(' ', case "unique" when 1 then 'unique' end,
    coalesce(substr(sql, instr(lower(sql), ' on ') + 1), (select group_concat(name) from pragma_index_info(idx.name)))),
    "unique"
  from ours join pragma_index_list(tbl) as idx join sqlite_schema as text on text.name = idx.name
union all
select 'trigger', tbl_name, name, '', 0 from sqlite_schema where type = 'trigger'
order by 1, 2, 3`;

function partsOf(db: DatabaseSync): SchemaPart[] {
  return db
    .prepare(PARTS)
    .all()
    .map(({ kind, tbl, name, definition, is_unique }) => ({
      // One of the words above.
      kind: text(kind) as PartKind,
      ...{ table: text(tbl), name: text(name), definition: text(definition), unique: integer(is_unique) === 1 },
    }));
}
