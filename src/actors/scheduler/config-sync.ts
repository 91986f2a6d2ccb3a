import { timeText } from '../../kernel/clock.ts';
import { RotaError } from '../../kernel/error.ts';
import type { Logger } from '../../kernel/log.ts';
import type { DeclaredSchedule } from '../../scheduler/schedule.ts';
import { afterSync } from '../../scheduler/schedule-changes.ts';
import type { ScheduleChange, ScheduleRecord } from '../../store/schedule-record.ts';
import type { StoreClient } from '../store-client.ts';
import { batchesOf } from './batches.ts';
import type { ScheduleBook } from './schedule-book.ts';

/** What laying a config beside what is stored takes. */
export interface ConfigSyncWorld {
  store: StoreClient;
  book: ScheduleBook;
  declared: readonly DeclaredSchedule[];
  /** False while living nodes have other schedules in their config, as in a rolling deploy: theirs stay. */
  removes: boolean;
  /** How large a request may be. */
  bytesMax: number;
  log: Logger;
}

/** What it came to. */
export interface SyncReport {
  changes: { what: 'added' | 'changed' | 'removed'; name: string }[];
  /** How many schedules stay only because another living node's config may name them. */
  kept: number;
}

/** How often it is begun anew because somebody changed a schedule meanwhile. */
const ROUNDS_MAX = 20;
/** What a change takes beside its declaration, in bytes. */
const FRAME_BYTES = 1_024;

/**
 * Lays the config's schedules beside what is stored and marks that this term has. A change that somebody else's came
 * before is decided again.
 * @param when the term that leads, the time, and when the config was first seen: new schedules count from there
 * @throws RotaError `conflict` when the term is over, or what the store answers
 */
export async function syncConfig(
  world: ConfigSyncWorld,
  when: { term: number; now: number; seenAt: number },
): Promise<SyncReport> {
  const { store, book, log, bytesMax } = world;
  const changed: SyncReport['changes'] = [];
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    await book.refresh();
    const changes = changesOf(world, when.seenAt);
    const bytesOf = ({ state }: ScheduleChange): number => 2 * JSON.stringify(state).length + FRAME_BYTES;
    const batches = [...batchesOf(changes, { bytesMax, bytesOf })];
    let stale = false;
    for (const batch of batches) {
      const results = await store.ask('changeSchedules', { now: when.now, term: when.term, changes: batch });
      for (const [index, { name, revision, state }] of batch.entries()) {
        if (results[index]?.stale !== false) stale = true;
        else changed.push({ name, what: state === null ? 'removed' : revision === null ? 'added' : 'changed' });
      }
    }
    if (stale) continue;
    await store.ask('changeSchedules', { now: when.now, term: when.term, synced: true, changes: [] });
    await book.refresh();
    warnOf(changed, { ...world, seenAt: when.seenAt });
    return { changes: changed, kept: world.removes ? 0 : strangers(world).length };
  }
  const error = new RotaError('unavailable', 'the schedules are being changed by others all the time');
  log.warn({ rounds: ROUNDS_MAX }, error.message);
  throw error;
}

function changesOf(world: ConfigSyncWorld, seenAt: number): ScheduleChange[] {
  const { book, declared } = world;
  const changes: ScheduleChange[] = [];
  for (const { name, declaration } of declared) {
    const before = book.get(name);
    const state = afterSync(before, declaration, seenAt);
    if (state !== before) changes.push({ name, revision: before?.revision ?? null, state });
  }
  if (!world.removes) return changes;
  for (const { name, revision } of strangers(world)) changes.push({ name, revision, state: null });
  return changes;
}

/** Schedules of a config that this one does not name. */
function strangers({ book, declared }: ConfigSyncWorld): ScheduleRecord[] {
  const named = new Set(declared.map(({ name }) => name));
  return [...book.records].filter(({ name, source }) => source === 'config' && !named.has(name));
}

/** What a config says that will not be as its author thinks. */
function warnOf(
  report: SyncReport['changes'],
  { declared, book, seenAt, log }: ConfigSyncWorld & { seenAt: number },
): void {
  const changed = new Set(report.map(({ name }) => name));
  for (const { name, declaration } of declared) {
    const { spec } = declaration;
    if (changed.has(name) && 'at' in spec && spec.at <= seenAt) {
      log.warn({ schedule: name, at: timeText(spec.at) }, 'the schedule will never fire: its time is past');
    }
    if (book.get(name)?.source === 'runtime') {
      log.warn({ schedule: name }, "the config's schedule is not used: one of its name was made at run time");
    }
  }
}
