import type { Subjects } from '../subjects.ts';
import { WORK_VERBS } from '../subjects.ts';
import { JOB_VERBS } from './job-requests.ts';
import { QUEUE_VERBS } from './queue-requests.ts';
import { SCHEDULE_VERBS } from './schedule-requests.ts';

/** One kind of request that the contract has, as the NATS service protocol describes it. */
export interface Endpoint {
  /** Unique among them: what counts are kept by. */
  name: string;
  /** With wildcards where it has tokens to fill in. */
  subject: string;
  /** Of those who serve it in this group each request goes to one; empty: nobody answers, a stream takes it. */
  queueGroup: string;
  /** The role of the nodes that serve it. */
  role: 'intake' | 'store';
  metadata: Record<string, string>;
}

/** The queue group of the edge. */
export const INTAKE_GROUP = 'rota';
/** The queue group of the owners of the store. */
export const STORE_GROUP = 'rota-store';

const CONTROL = {
  queue: QUEUE_VERBS,
  schedule: SCHEDULE_VERBS,
  node: ['list', 'tree', 'types'],
  rejected: ['list'],
};

/** The name of the endpoint that a subject belongs to, told by its tokens after the prefix. */
export function endpointName([kind = '', ...rest]: readonly string[]): string {
  if (kind === 'enqueue' || kind === 'intake') return kind;
  return kind === 'work' ? `work-${rest[1]}` : [kind, ...rest].join('-');
}

/** Every endpoint of the contract under one prefix. */
export function endpoints(subjects: Subjects): Endpoint[] {
  const codecs = 'application/json, application/msgpack';
  const served = (subject: string, role: Endpoint['role']): Endpoint => ({
    name: endpointName(subject.split('.').slice(1)),
    subject,
    queueGroup: role === 'store' ? STORE_GROUP : INTAKE_GROUP,
    role,
    metadata: { content_types: codecs },
  });
  return [
    served(subjects.enqueue('*'), 'intake'),
    {
      ...served(subjects.intake('*'), 'intake'),
      queueGroup: '',
      metadata: { content_types: codecs, stream: subjects.intakeStream(), answer: 'PubAck' },
    },
    ...WORK_VERBS.map((verb) => served(subjects.work('*', verb), 'store')),
    ...JOB_VERBS.map((verb) => served(subjects.job(verb), 'intake')),
    ...Object.entries(CONTROL).flatMap(([kind, verbs]) =>
      verbs.map((verb) => served(subjects.control(kind, verb), 'intake')),
    ),
  ];
}
