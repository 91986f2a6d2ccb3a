import type { ScheduleRecord } from '../../store/schedule-record.ts';
import type { StoreClient } from '../store-client.ts';

/** What a look at the store brought. */
export interface BookNews {
  /** Schedules that are new or changed; `before` is what stood in the book. */
  changed: { before: ScheduleRecord | undefined; record: ScheduleRecord }[];
  removed: string[];
  /** The last leader's term that laid its config beside what is stored. */
  syncedTerm: number;
}

/** Schedules that are read one by one at the same time. */
const REREAD_AT_ONCE = 50;

/**
 * The schedules as they are stored, kept in memory: a look when nothing has changed costs one small row. Ticks are no
 * changes; their maker says so by {@link ScheduleBook.moved}.
 */
export class ScheduleBook {
  readonly #store: StoreClient;
  readonly #bytesMax: number;
  readonly #records = new Map<string, ScheduleRecord>();
  #revision = -1;

  /** @param bytesMax how large an answer may be */
  constructor(store: StoreClient, bytesMax: number) {
    this.#store = store;
    this.#bytesMax = bytesMax;
  }

  get records(): Iterable<ScheduleRecord> {
    return this.#records.values();
  }

  get size(): number {
    return this.#records.size;
  }

  get(name: string): ScheduleRecord | undefined {
    return this.#records.get(name);
  }

  /** Takes over what a tick has made of a schedule that is in the book. */
  moved(record: ScheduleRecord): void {
    if (this.#records.has(record.name)) this.#records.set(record.name, record);
  }

  /** Forgets everything: who did not lead does not know what ticks have moved. */
  clear(): void {
    this.#records.clear();
    this.#revision = -1;
  }

  /** Reads what has changed since the last time. @throws RotaError when the store is away; what was read stays */
  async refresh(): Promise<BookNews> {
    const news: BookNews = { changed: [], removed: [], syncedTerm: 0 };
    const before = new Map<string, ScheduleRecord | undefined>();
    const count = await this.#read(before, news);
    // Removed ones are not among what changed; they are missed by the count.
    if (count >= 0 && count !== this.#records.size) {
      for (const record of this.#records.values()) if (!before.has(record.name)) before.set(record.name, record);
      this.clear();
      await this.#read(before, news);
    }
    for (const [name, old] of before) {
      const record = this.#records.get(name);
      if (record === undefined) news.removed.push(name);
      else if (record.revision !== old?.revision) news.changed.push({ before: old, record });
    }
    return news;
  }

  /** Reads schedules anew whose ticks somebody else has moved, or perhaps we have. */
  async reread(names: readonly string[]): Promise<void> {
    for (let from = 0; from < names.length; from += REREAD_AT_ONCE) {
      const some = names.slice(from, from + REREAD_AT_ONCE);
      const pages = await Promise.all(some.map((name) => this.#store.ask('schedules', { names: [name] })));
      for (const { schedules } of pages) {
        // One that changed is left for refresh, which tells so.
        for (const record of schedules) if (this.get(record.name)?.revision === record.revision) this.moved(record);
      }
    }
  }

  /** Reads pages until there are no more; how many schedules there are, or -1 when nothing has changed. */
  async #read(before: Map<string, ScheduleRecord | undefined>, news: BookNews): Promise<number> {
    for (;;) {
      const options = { after: this.#revision, bytesMax: this.#bytesMax };
      const { changed, more, revision, count, syncedTerm } = await this.#store.ask('scheduleChanges', options);
      for (const record of changed) {
        if (!before.has(record.name)) before.set(record.name, this.#records.get(record.name));
        this.#records.set(record.name, record);
        this.#revision = record.revision;
      }
      news.syncedTerm = syncedTerm;
      if (more) continue;
      this.#revision = revision;
      return count;
    }
  }
}
