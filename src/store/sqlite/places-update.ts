import type { StatementSync } from 'node:sqlite';
import type { StoreWorld } from './verb.ts';

/** From how many places in a row on, on average, several runs are written as such. */
const RUN_MIN = 8;

/**
 * The same update at many places. What was inserted together is mostly claimed and ended together, so the places are
 * runs of neighbours, which SQLite walks and writes at once; a list it has to read and sort first (measured, 0.25 µs a
 * place).
 */
export class PlacesUpdate {
  readonly #runs: StatementSync;
  readonly #list: StatementSync;

  /** @param update the statement up to its `where` */
  constructor(world: Pick<StoreWorld, 'rows'>, update: string) {
    this.#runs = world.rows(`${update} where seq between ? and ?`);
    this.#list = world.rows(`${update} where seq in (select value from json_each(?))`);
  }

  /** Updates the rows at these places, which are sorted here; `values` are what the update binds. */
  run(places: number[], ...values: (string | number | null)[]): void {
    places.sort((a, b) => a - b);
    const runs = runsOf(places, Math.max(1, places.length / RUN_MIN));
    if (runs === undefined) this.#list.run(...values, JSON.stringify(places));
    else for (const { from, to } of runs) this.#runs.run(...values, from, to);
  }
}

/** Rising places as runs without a gap; undefined: they are more than `max`. */
function runsOf(places: readonly number[], max: number): { from: number; to: number }[] | undefined {
  const runs: { from: number; to: number }[] = [];
  let last: { from: number; to: number } | undefined;
  for (const place of places) {
    if (last !== undefined && place === last.to + 1) last.to = place;
    else if (runs.length + 1 > max) return undefined;
    else {
      last = { from: place, to: place };
      runs.push(last);
    }
  }
  return runs;
}
