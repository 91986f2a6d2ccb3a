import { json, textOrNull } from '../../cell.ts';
import type { NodeRecord } from '../../job-store.ts';
import { type Asked, oneByOne, type Verb } from '../verb.ts';

/** Writes a node's record, unless a living node of another instance has the name. */
export const registerNode: Verb<'registerNode'> = oneByOne(async (tx, { options }: Asked<'registerNode'>) => {
  const { deadBefore, node } = options;
  const rows = await tx.lists(
    `insert into @nodes as known (node, instance, seen_at, record) values ($1, $2, $3, $4)
      on conflict (node) do update set instance = excluded.instance, seen_at = excluded.seen_at, record = excluded.record
      where known.instance = excluded.instance or known.seen_at <= $5
      returning node`,
    [node.node, node.instance, node.seenAt, JSON.stringify(node), deadBefore],
  );
  return { taken: textOrNull(rows[0]?.[0] ?? null) === null };
});

/** Removes a node that stopped; another instance under the same name stays. */
export const removeNode: Verb<'removeNode'> = oneByOne(async (tx, { options }: Asked<'removeNode'>) => {
  await tx.run('delete from @nodes where node = $1 and instance = $2', [options.node, options.instance]);
  return null;
});

/** The nodes seen after a time, by name. */
export const nodes: Verb<'nodes'> = oneByOne(async (tx, { options }: Asked<'nodes'>) => {
  const rows = await tx.lists('select record from @nodes where seen_at > $1 order by node', [options.seenAfter]);
  return rows.map(([record]) => json<NodeRecord>(record));
});
