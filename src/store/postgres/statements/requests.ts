import { integer, text, textOrNull } from '../../cell.ts';
import type { StoredRequest } from '../../intake-verbs.ts';
import { numbers, words } from '../sql-list.ts';
import { type Asked, oneByOne, type Verb } from '../verb.ts';

/** Bytes of a request beside its body. */
const ROW_BYTES = 256;

/**
 * Takes requests that nobody holds. What is locked and then found to be too much is let go of by the commit. The keys hold
 * the id too, so that one of a schema that was since made anew is nobody else's.
 */
export const takeRequests: Verb<'takeRequests'> = oneByOne(async (tx, { options }: Asked<'takeRequests'>) => {
  const { now, limit, bytesMax, forMs } = options;
  const rows = await tx.lists(
    `with free as (
      select seq, octet_length(body) + ${ROW_BYTES} as bytes from @requests
        where taken_until <= $1 order by seq limit $2 for update skip locked
    ), weighed as (
      select seq, bytes, sum(bytes) over (order by seq) as together, count(*) over () as found from free
    )
    update @requests as request set taken_until = $3, deliveries = deliveries + 1 from weighed
      where request.seq = weighed.seq and (together <= $4 or together = bytes)
      returning request.seq, found, id, queue, body, traceparent, at, deliveries`,
    [now, limit, now + forMs, bytesMax],
  );
  const found = integer(rows[0]?.[1] ?? 0);
  const inOrder = rows.map((row) => ({ seq: integer(row[0]), row })).sort((a, b) => a.seq - b.seq);
  return {
    requests: inOrder.map(({ seq, row: [, , id, queue, body, traceparent, at, deliveries] }): StoredRequest => {
      const own = { id: text(id), queue: text(queue), body: text(body), traceparent: textOrNull(traceparent) };
      return { key: `${own.id}:${seq}`, ...own, at: integer(at), deliveries: integer(deliveries) };
    }),
    more: found === limit || found > rows.length,
  };
});

/** Forgets requests. */
export const finishRequests: Verb<'finishRequests'> = oneByOne(async (tx, { options }: Asked<'finishRequests'>) => {
  await tx.run(
    `delete from @requests as request using unnest($1::bigint[], $2::uuid[]) as done (seq, id)
      where request.seq = done.seq and request.id = done.id`,
    placesOf(options.keys),
  );
  return null;
});

/** Holds requests from now on for as long as is said. */
export const holdRequests: Verb<'holdRequests'> = oneByOne(async (tx, { options }: Asked<'holdRequests'>) => {
  const { now, keys, forMs } = options;
  await tx.run(
    `update @requests as request set taken_until = $3 from unnest($1::bigint[], $2::uuid[]) as held (seq, id)
      where request.seq = held.seq and request.id = held.id`,
    [...placesOf(keys), now + forMs],
  );
  return null;
});

/** Places and ids as two lists, in order of the places: everybody locks in this order. */
function placesOf(keys: readonly string[]): string[] {
  const places = keys.map((key) => {
    const [id = '', seq] = key.split(':');
    return { id, seq: Number(seq) };
  });
  places.sort((a, b) => a.seq - b.seq);
  return [numbers(places.map(({ seq }) => seq)), words(places.map(({ id }) => id))];
}
