import { json } from '../../cell.ts';
import type { NodeRecord } from '../../job-store.ts';
import type { StoreWorld, Verb } from '../verb.ts';

/** Writes a node's record, unless a living node of another instance has the name. */
export function registerNode(world: StoreWorld): Verb<'registerNode'> {
  const rival = world.rows('select 1 from nodes where node = ? and instance <> ? and seen_at > ?');
  const put = world.rows('insert or replace into nodes (node, instance, seen_at, record) values (?, ?, ?, ?)');
  return ({ deadBefore, node }) => {
    if (rival.get(node.node, node.instance, deadBefore) !== undefined) return { taken: true };
    put.run(node.node, node.instance, node.seenAt, JSON.stringify(node));
    return { taken: false };
  };
}

/** Removes a node that stopped; another instance under the same name stays. */
export function removeNode(world: StoreWorld): Verb<'removeNode'> {
  const remove = world.rows('delete from nodes where node = ? and instance = ?');
  return ({ node, instance }) => {
    remove.run(node, instance);
    return null;
  };
}

/** The nodes seen after a time, by name. */
export function nodes(world: StoreWorld): Verb<'nodes'> {
  const read = world.rows('select record from nodes where seen_at > ? order by node');
  return ({ seenAfter }) => read.all(seenAfter).map((row) => json<NodeRecord>(row.record));
}
