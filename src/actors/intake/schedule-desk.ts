import { newJob } from '../../job/job-request.ts';
import { type Clock, timeText } from '../../kernel/clock.ts';
import { RotaError } from '../../kernel/error.ts';
import { type IdSource, isToken } from '../../kernel/identity.ts';
import { Body } from '../../messaging/body.ts';
import type { Bus, Message } from '../../messaging/bus.ts';
import { jobView } from '../../messaging/contract/job-view.ts';
import { readRequest, unknownVerb } from '../../messaging/contract/request.ts';
import {
  readScheduleList,
  readScheduleName,
  readScheduleRun,
  SCHEDULE_VERBS,
} from '../../messaging/contract/schedule-requests.ts';
import { listBytesMax } from '../../messaging/payload.ts';
import { answer } from '../../messaging/reply.ts';
import type { Subjects } from '../../messaging/subjects.ts';
import { nextOccurrence, preview, timetableOf } from '../../scheduler/occurrences.ts';
import type { ScheduleSpec } from '../../scheduler/schedule.ts';
import { afterPause, afterPut, afterResume, type ScheduleState } from '../../scheduler/schedule-changes.ts';
import { previewRequest } from '../../scheduler/schedule-check.ts';
import type { ScheduleRecord } from '../../store/schedule-record.ts';
import type { EventTeller } from '../event-teller.ts';
import { scheduleView } from '../scheduler/schedule-view.ts';
import type { StoreClient } from '../store-client.ts';
import type { Registry } from './registry.ts';
import { readSchedulePut } from './schedule-put.ts';

/** What the desk asks. */
export interface ScheduleDeskWorld {
  bus: Bus;
  subjects: Subjects;
  store: StoreClient;
  registry: Registry;
  clock: Clock;
  newId: IdSource;
  tell: EventTeller;
  /** The zone of schedules that name none. */
  timezone: string;
}

/** How often a change is decided anew because somebody else's came between. */
const TRIES_MAX = 20;

/** A change of one schedule: what shall be, by what is. */
interface Change {
  /** What to tell of it; undefined: nothing changed. */
  what: 'added' | 'changed' | 'paused' | 'resumed' | 'removed' | undefined;
  /** Null: it is removed. */
  state: ScheduleState | null;
}

/** Serves `ctl.schedule.<verb>`: every change is decided on what is stored and written only if that still holds. */
export class ScheduleDesk {
  readonly #world: ScheduleDeskWorld;

  constructor(world: ScheduleDeskWorld) {
    this.#world = world;
  }

  /** Deals with one request. @throws RotaError what it is refused with */
  async serve(verb: string, message: Message): Promise<void> {
    const body = message.body.value;
    const known = SCHEDULE_VERBS.find((word) => word === verb);
    switch (known) {
      case 'list':
        return answer(message, await this.#list(body));
      case 'get':
        return answer(message, this.#view(await this.#stored(readScheduleName(body))));
      case 'put':
        return answer(message, await this.#put(body));
      case 'delete':
        return answer(message, await this.#delete(readScheduleName(body)));
      case 'pause':
        return answer(message, await this.#pause(readScheduleName(body)));
      case 'resume':
        return answer(message, await this.#resume(readScheduleName(body)));
      case 'run':
        return answer(message, await this.#run(body));
      case 'preview':
        return answer(message, this.#preview(body));
      case undefined:
        throw unknownVerb(verb, 'schedules', SCHEDULE_VERBS);
    }
  }

  async #list(body: unknown): Promise<object> {
    const { limit, cursor } = readScheduleList(body);
    const bytesMax = listBytesMax(this.#world.bus.payloadBytesMax, 'msgpack');
    const page = { ...(cursor === undefined ? {} : { after: cursor }), ...(limit === undefined ? {} : { limit }) };
    const { schedules, more } = await this.#world.store.ask('schedules', { ...page, bytesMax });
    const last = schedules.at(-1);
    return { schedules: schedules.map((record) => this.#view(record)), cursor: more && last ? last.name : null };
  }

  async #put(body: unknown): Promise<object> {
    const { store, registry, clock, timezone } = this.#world;
    const find = async (name: string): Promise<ScheduleRecord | undefined> =>
      isToken(name) ? (await store.ask('schedules', { names: [name] })).schedules[0] : undefined;
    const { name, declaration } = await readSchedulePut(body, { registry, find, timezone, now: clock.now() });
    return this.#change(name, (before) => {
      const now = clock.now();
      refusePast(declaration.spec, before?.declaration.spec, now);
      const state = afterPut(before, declaration, now);
      return { state, what: before === undefined ? 'added' : state === before ? undefined : 'changed' };
    });
  }

  async #delete(name: string): Promise<object> {
    await this.#change(name, (before) => {
      if (before === undefined) throw notFound(name);
      if (before.source === 'config') {
        const text = `the schedule "${name}" is declared in the config and would come back: remove it there, or pause it`;
        throw new RotaError('conflict', text);
      }
      return { state: null, what: 'removed' };
    });
    return { deleted: true };
  }

  #pause(name: string): Promise<object> {
    return this.#change(name, (before) => {
      if (before === undefined) throw notFound(name);
      const state = afterPause(before);
      return { state, what: state === before ? undefined : 'paused' };
    });
  }

  #resume(name: string): Promise<object> {
    return this.#change(name, (before) => {
      if (before === undefined) throw notFound(name);
      const state = afterResume(before, this.#world.clock.now());
      return { state, what: state === before ? undefined : 'resumed' };
    });
  }

  /** Decides on what is stored, writes, and decides again if that has changed meanwhile. Answers the schedule. */
  async #change(name: string, decide: (before: ScheduleRecord | undefined) => Change): Promise<object> {
    const { store, clock, bus, subjects, tell } = this.#world;
    let [before] = (await store.ask('schedules', { names: [name] })).schedules;
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const { what, state } = decide(before);
      if (what === undefined && before !== undefined) return this.#view(before);
      const change = { name, revision: before?.revision ?? null, state: state === null ? null : stateOf(state) };
      const [result] = await store.ask('changeSchedules', { now: clock.now(), changes: [change] });
      if (result?.stale === false) {
        bus.publish(subjects.hint('schedule', name), { body: Body.of({}, 'msgpack') });
        const source = result.schedule?.source ?? before?.source;
        if (what !== undefined)
          tell({ kind: 'schedule', name, what, data: { schedule: name, source, by: 'operator' } });
        return result.schedule === null ? {} : this.#view(result.schedule);
      }
      before = result?.schedule ?? undefined;
    }
    throw new RotaError('unavailable', `the schedule "${name}" is being changed by others all the time`);
  }

  /** Makes its job now, beside its ticks and whatever its policies say. */
  async #run(body: unknown): Promise<object> {
    const { store, registry, clock, newId, tell } = this.#world;
    const { name, id = newId() } = readScheduleRun(body);
    const record = await this.#stored(name);
    const { queue, ...request } = record.declaration.job;
    const definition = await registry.defaultsOf(request.type);
    let at = freeTime(record, clock.now());
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const now = clock.now();
      const schedule = { name, at, late: false };
      const job = newJob({ ...request, id }, { now, newId, queue, definition, schedule });
      const [result] = await store.ask('runSchedules', { now, jobs: [job] });
      if (!result) throw notFound(name);
      const taken = result.job.schedule?.name === name && result.job.schedule.at === at && result.job.id !== id;
      if (!taken) {
        const data = { schedule: name, nominalAt: timeText(at), late: false, jobId: result.job.id, manual: true };
        if (!result.conflict) tell({ kind: 'schedule', name, what: 'fired', data });
        return jobView(result.job);
      }
      // Two people in the same millisecond: the second one's nominal time is the next.
      at = freeTime(record, at + 1);
    }
    throw new RotaError('unavailable', `the schedule "${name}" is run by others all the time`);
  }

  #preview(body: unknown): object {
    const { clock, timezone } = this.#world;
    const request = readRequest(body, previewRequest({ timezone, now: clock.now() }), 'invalid_schedule');
    return { times: preview(request, request).map(timeText) };
  }

  async #stored(name: string): Promise<ScheduleRecord> {
    const [record] = (await this.#world.store.ask('schedules', { names: [name] })).schedules;
    if (record === undefined) throw notFound(name);
    return record;
  }

  #view(record: ScheduleRecord): object {
    return scheduleView(record, this.#world.clock.now());
  }
}

/** What of a record a change may be about. */
function stateOf(state: ScheduleState): ScheduleState {
  const { source, declaration, fingerprint, anchorAt, cursorAt, pausedBy, endedAt } = state;
  return { source, declaration, fingerprint, anchorAt, cursorAt, pausedBy, endedAt };
}

/** The store was asked since the body was checked: a new time that has passed meanwhile would never fire. */
function refusePast(spec: ScheduleSpec, before: ScheduleSpec | undefined, now: number): void {
  if (!('at' in spec) || spec.at > now) return;
  if (before !== undefined && 'at' in before && before.at === spec.at) return;
  const message = `is past: it is ${timeText(now)}`;
  throw new RotaError('invalid_schedule', `spec.at ${message}`, { issues: [{ path: 'spec.at', message }] });
}

/** A time that no tick of the schedule will ever claim, from `from` on: one job per schedule and nominal time. */
function freeTime(record: ScheduleRecord, from: number): number {
  const timetable = timetableOf(record);
  let at = from;
  while (nextOccurrence(timetable, at - 1) === at) at += 1;
  return at;
}

function notFound(name: string): RotaError {
  return new RotaError('not_found', `there is no schedule "${name}"`);
}
