import { isTerminalFact, type JobFact } from '../../job/job-event.ts';
import { timeText } from '../../kernel/clock.ts';
import type { Subjects } from '../subjects.ts';
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

/** The event of a committed job fact, written: one line of JSON. */
export interface WrittenEvent {
  subject: string;
  id: string;
  text: string;
}

/** What events have in common that differ only in their job, number and detail: all text between those. */
interface Frame {
  of: JobFact;
  subjects: Subjects;
  node: string;
  subject: string;
  toNumber: string;
  toJob: string;
  toData: string;
  toDetail: string;
}

/** Facts of one commit follow each other by kind, so most events have the frame of the one before. */
let lastFrame: Frame | undefined;

/**
 * The event of a committed job fact. Its id is (job, run, what, when, number): of a terminal one the number is its place
 * in the outbox, so that the id is the same whenever it is sent again and another one for each way into that state, also
 * without a run in between; of the others, which are sent once, it is `count`.
 *
 * It is put together as text, because there are three of it to a job: measured 0.4 µs instead of 2.2 as an object that is
 * then written, and 0.6 without frames. What stands between quotes as it is are words of ours, UUIDs and names that need no escapes.
 * @param teller the node that tells, and a number that it has not used in the fact's millisecond
 */
export function jobEvent(fact: JobFact, subjects: Subjects, teller: { node: string; count: number }): WrittenEvent {
  const { id: job } = fact;
  if (lastFrame === undefined || !isFrameOf(lastFrame, fact, { subjects, node: teller.node })) {
    lastFrame = frameOf(fact, subjects, teller.node);
  }
  const { subject, toNumber, toJob, toData, toDetail } = lastFrame;
  const number = isTerminalFact(fact.what) ? (fact.outboxSeq ?? teller.count) : teller.count;
  const id = `${job}${toNumber}${number}`;
  return {
    subject,
    id,
    text: `{"specversion":"1.0","id":"${id}${toJob}${job}${toData}${job}${toDetail}${detailText(fact)}}}`,
  };
}

function isFrameOf(frame: Frame, fact: JobFact, by: { subjects: Subjects; node: string }): boolean {
  const { of } = frame;
  return (
    of.what === fact.what &&
    of.at === fact.at &&
    of.run === fact.run &&
    of.type === fact.type &&
    of.queue === fact.queue &&
    of.state === fact.state &&
    of.attempt === fact.attempt &&
    of.maxAttempts === fact.maxAttempts &&
    frame.subjects === by.subjects &&
    frame.node === by.node
  );
}

function frameOf(fact: JobFact, subjects: Subjects, node: string): Frame {
  const { what, at, run, type, queue, state, attempt, maxAttempts } = fact;
  return {
    of: fact,
    subjects,
    node,
    subject: subjects.event('job', queue, what),
    toNumber: `:${run}:${what}:${at}:`,
    toJob: `","source":"/rota/${node}","type":"jobs.job.${what}","subject":"`,
    toData: `","time":"${timeText(at)}","datacontenttype":"application/json","data":{"id":"`,
    toDetail: `","type":"${type}","queue":"${queue}","state":"${state}","attempt":${attempt},"maxAttempts":${maxAttempts}`,
  };
}

/** What of an event's data not every fact has. */
function detailText(fact: JobFact): string {
  const { durationMs, waitMs } = fact;
  let text = '';
  if (durationMs !== undefined) text += `,"durationMs":${durationMs}`;
  if (waitMs !== undefined) text += `,"waitMs":${waitMs}`;
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
