import { isTerminalFact, type JobFact } from '../../job/job-event.ts';
import { timeText } from '../../kernel/clock.ts';
import { type LinePattern, type LineWriter, lineOf } from '../json-lines.ts';
import { Subjects } from '../subjects.ts';
import { scheduleView } from './job-view.ts';

/** What events are about: the token after `events` in their subject. */
export type EventKind = 'job' | 'queue' | 'schedule' | 'node' | 'supervisor' | 'intake';

/** A CloudEvent 1.0 in structured JSON. */
export interface CloudEvent {
  specversion: '1.0';
  id: string;
  /** `/rota/<node>`. */
  source: string;
  /** `jobs.<kind>.<what>`, whatever the prefix. */
  type: string;
  subject: string;
  time: string;
  datacontenttype: 'application/json';
  data: Record<string, unknown>;
}

/** An event with the subject that it goes out on. */
export interface AddressedEvent {
  subject: string;
  event: CloudEvent;
}

/** What an event that is not about a job says. `at` is milliseconds since the epoch. */
export interface PlainFact {
  kind: Exclude<EventKind, 'job'>;
  /** The name in the subject: a queue, schedule or node. */
  name: string;
  what: string;
  at: number;
  id: string;
  /** The CloudEvent's subject; the name when left out. */
  about?: string;
  data: Record<string, unknown>;
}

/** The event of a committed job fact: a line of JSON of which most is common to many. Kept, it is that of one fact after another. */
export class JobEvent {
  #frame: Frame = NO_FRAME;
  #job = '';
  #number = 0;
  #detail = '';

  /**
   * Becomes the event of a fact. Its id is (job, run, what, when, number): of a terminal one the number is its place in the
   * outbox, so that the id is the same whenever it is sent again and another one for each way into that state, also without a
   * run in between; of the others, which are sent once, it is `count`.
   * @param teller the node that tells, and a number that it has not used in the fact's millisecond
   */
  of(fact: JobFact, subjects: Subjects, teller: { node: string; count: number }): this {
    this.#frame = frameFor(fact, subjects, teller.node);
    this.#job = fact.id;
    this.#number = isTerminalFact(fact.what) ? (fact.outboxSeq ?? teller.count) : teller.count;
    this.#detail = detailText(fact);
    return this;
  }

  get subject(): string {
    return this.#frame.subject;
  }

  get id(): string {
    return `${this.#job}${this.#frame.toNumber}${this.#number}`;
  }

  get pattern(): LinePattern {
    return this.#frame.pattern;
  }

  /** Adds the line. */
  addTo(lines: LineWriter): void {
    lines.open(this.#frame.pattern);
    lines.part(this.#job);
    lines.part(this.#number);
    lines.part(this.#detail);
    lines.close();
  }

  /** How many characters the line has, or a few more. */
  get length(): number {
    return this.#frame.length + this.#detail.length;
  }

  /** The whole line. */
  get text(): string {
    return lineOf(this.#frame.pattern, this.#job, this.#number, this.#detail);
  }
}

type Common = Pick<JobFact, 'what' | 'at' | 'run' | 'type' | 'queue' | 'state' | 'attempt' | 'maxAttempts'>;

/** What events have in common that differ only in their job, number and detail. */
interface Frame {
  of: Common;
  subjects: Subjects;
  node: string;
  subject: string;
  /** Of an id, what stands between job and number. */
  toNumber: string;
  pattern: LinePattern;
  /** Characters of a line without detail, at most. */
  length: number;
}

/** Of an event that is none's yet. */
const NO_FRAME: Frame = {
  of: { what: 'inserted', at: 0, run: 0, type: '', queue: '', state: 'available', attempt: 0, maxAttempts: 0 },
  subjects: new Subjects(''),
  ...{ node: '', subject: '', toNumber: '', pattern: [], length: 0 },
};

/** Facts of one commit are of a few kinds, types and attempts. */
const FRAMES_MAX = 8;
let frames: readonly Frame[] = [];

/**
 * The event of a committed job fact, see {@link JobEvent.of}. It is put together as text, because there are three of it to a
 * job: measured 0.4 µs instead of 2.2 as an object that is then written. What stands between quotes as it is are words of ours,
 * UUIDs and names that need no escapes.
 * @param teller the node that tells, and a number that it has not used in the fact's millisecond
 */
export const jobEvent = (fact: JobFact, subjects: Subjects, teller: { node: string; count: number }): JobEvent =>
  new JobEvent().of(fact, subjects, teller);

function frameFor(fact: JobFact, subjects: Subjects, node: string): Frame {
  for (const frame of frames) {
    if (isFrameOf(frame, fact) && frame.subjects === subjects && frame.node === node) return frame;
  }
  const made = frameOf(fact, subjects, node);
  frames = [made, ...frames.slice(0, FRAMES_MAX - 1)];
  return made;
}

function isFrameOf({ of }: Frame, fact: JobFact): boolean {
  return (
    of.what === fact.what &&
    of.at === fact.at &&
    of.run === fact.run &&
    of.type === fact.type &&
    of.queue === fact.queue &&
    of.state === fact.state &&
    of.attempt === fact.attempt &&
    of.maxAttempts === fact.maxAttempts
  );
}

/** Which of an event's own parts is which. */
const [JOB, NUMBER, DETAIL] = [1, 2, 3];

function frameOf(fact: JobFact, subjects: Subjects, node: string): Frame {
  const { id, what, at, run, type, queue, state, attempt, maxAttempts } = fact;
  const toNumber = `:${run}:${what}:${at}:`;
  const toJob = `","source":"/rota/${node}","type":"jobs.job.${what}","subject":"`;
  const toData = `","time":"${timeText(at)}","datacontenttype":"application/json","data":{"id":"`;
  const toDetail = `","type":"${type}","queue":"${queue}","state":"${state}","attempt":${attempt},"maxAttempts":${maxAttempts}`;
  const pattern = [
    ...['{"specversion":"1.0","id":"', JOB, toNumber, NUMBER],
    ...[toJob, JOB, toData, JOB, toDetail, DETAIL, '}}'],
  ];
  return {
    of: { what, at, run, type, queue, state, attempt, maxAttempts },
    subjects,
    node,
    subject: subjects.event('job', queue, what),
    toNumber,
    pattern,
    length: lineOf(pattern, id, Number.MAX_SAFE_INTEGER, '').length,
  };
}

/** Facts of one commit mostly took the same time. */
let lastTook: { durationMs: number | undefined; waitMs: number | undefined; text: string } | undefined;

/** How long it took, of the data of an event. */
function tookText({ durationMs, waitMs }: JobFact): string {
  if (lastTook?.durationMs === durationMs && lastTook?.waitMs === waitMs) return lastTook?.text ?? '';
  const duration = durationMs === undefined ? '' : `,"durationMs":${durationMs}`;
  const wait = waitMs === undefined ? '' : `,"waitMs":${waitMs}`;
  lastTook = { durationMs, waitMs, text: duration + wait };
  return lastTook.text;
}

/** What of an event's data not every fact has. */
function detailText(fact: JobFact): string {
  let text = tookText(fact);
  if (fact.error !== undefined) text += `,"error":${JSON.stringify(fact.error)}`;
  if (fact.nextAt !== undefined) text += `,"nextAt":"${timeText(fact.nextAt)}"`;
  if (fact.result !== undefined) text += `,"result":${JSON.stringify(fact.result)}`;
  if (fact.progress !== undefined) text += `,"progress":${JSON.stringify(fact.progress)}`;
  if (fact.schedule !== undefined) text += `,"schedule":${JSON.stringify(scheduleView(fact.schedule))}`;
  return text;
}

/** The event of a fact about anything else than a job. */
export function plainEvent(fact: PlainFact, subjects: Subjects, node: string): AddressedEvent {
  const { kind, name, what, at, id, about = name, data } = fact;
  return {
    subject: subjects.event(kind, name, what),
    event: {
      specversion: '1.0',
      id,
      source: `/rota/${node}`,
      type: `jobs.${kind}.${what}`,
      subject: about,
      time: timeText(at),
      datacontenttype: 'application/json',
      data,
    },
  };
}
