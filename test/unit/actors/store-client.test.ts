import { expect, test } from 'vitest';
import { PartedRequests, type WholeRequest } from '../../../src/actors/persistence/parted-requests.ts';
import { storeClient } from '../../../src/actors/store-client.ts';
import { storedJob } from '../../../src/job/job.ts';
import { newJob } from '../../../src/job/job-request.ts';
import { RotaError } from '../../../src/kernel/error.ts';
import { Body } from '../../../src/messaging/body.ts';
import type { Bus, Envelope } from '../../../src/messaging/bus.ts';
import { answerMessage, NO_HEADERS } from '../../../src/messaging/inbox.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

const BYTES_MAX = 1_000;

/** What a body is at the other end of a port between two threads: text travels as text, all else as bytes. */
const throughPort = (body: Body): Body =>
  body.text === undefined ? Body.encoded(body.bytes, body.contentType) : Body.ofText(body.text, body.contentType);

test('a request in parts comes together also where the store has come back in a thread of this process', async () => {
  const subjects = new Subjects('jobs');
  const parted = new PartedRequests(new VirtualClock());
  let whole: WholeRequest | undefined;
  const dealWith = (subject: string, value: unknown): unknown => {
    switch (subject) {
      case subjects.store('parts'):
        return { answer: { node: 'a', number: parted.begin(value) } };
      case subjects.actor('a', 'persistence', 'part'):
        whole = parted.add(value);
        return whole === undefined ? {} : { answer: null };
      default:
        // At first it was not here, and the way to another process is narrow.
        throw new RotaError('too_large', 'larger than the server takes');
    }
  };
  const bus = {
    payloadBytesMax: BYTES_MAX,
    request: async (subject: string, { body }: Envelope) => {
      const answer = dealWith(subject, throughPort(body).value);
      return answerMessage('', throughPort(Body.of(answer, 'msgpack')), NO_HEADERS);
    },
  } as unknown as Bus;
  const rejected = [{ key: 'k', message: 'x'.repeat(3 * BYTES_MAX) }];
  await storeClient(bus, subjects).ask('reject', { rejected } as never);
  expect(whole?.verb).toBe('reject');
  expect(whole?.body.value).toEqual({ rejected });
});

test('jobs that are alike are told once, and whole to an owner that knows only that', async () => {
  const subjects = new Subjects('jobs');
  const seen: unknown[] = [];
  const bus = {
    payloadBytesMax: BYTES_MAX,
    request: async (_subject: string, { body }: Envelope) => {
      const value = throughPort(body).value as { jobs?: unknown[] };
      seen.push(value);
      if (value.jobs === undefined) throw new RotaError('invalid_request', 'this is no request "insert" to the store');
      return answerMessage('', Body.of({ answer: value.jobs.map(() => null) }, 'msgpack'), NO_HEADERS);
    },
  } as unknown as Bus;
  const world = { now: 5, queue: 'q', definition: undefined, newId: () => 'id' };
  const jobs = [1, 2].map((n) => newJob({ type: 't', args: { n } }, world));
  const results = await storeClient(bus, subjects).ask('insert', { jobs, now: 5 } as never);
  expect(seen).toEqual([
    { alike: [jobs[0], { id: 'id', args: { n: 2 } }], now: 5 },
    { jobs, now: 5 },
  ]);
  expect(results.map(({ job, conflict }) => ({ job, conflict }))).toEqual(
    jobs.map((job) => ({ job: storedJob(job), conflict: false })),
  );
});
