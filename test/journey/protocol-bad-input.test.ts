import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineJob } from '../../src/index.ts';
import { type Answer, type RotaNode, startRotaNode } from '../support/rota-node.ts';

// Whatever comes in, on whatever public subject: an answer with a code of the contract, and a node that is well.

let node: RotaNode;
beforeAll(async () => {
  node = await startRotaNode({ queues: { default: 1 }, jobs: [defineJob({ type: 'theirs' })] });
});
afterAll(() => node.stop());

const STATUS_OF: Record<string, number> = {
  ...{ invalid_request: 400, invalid_job: 400, invalid_args: 400, unknown_type: 400 },
  ...{ not_found: 404, conflict: 409, too_large: 413, unsupported_content_type: 415 },
};
const WORK = ['claim', 'beat', 'settle', 'progress'].map((verb) => `work.default.${verb}`);
const JOB = ['get', 'list', 'count', 'wait', 'cancel'].map((verb) => `job.${verb}`);
const CONTROL = ['queue.list', 'schedule.list', 'node.list', 'node.tree', 'node.types', 'rejected.list'];
const SUBJECTS = ['enqueue.default', ...WORK, ...JOB, ...CONTROL.map((verb) => `ctl.${verb}`)];

/** Names that mean something somewhere, so that more than unknown fields is met. */
const NAMES = [
  ...['type', 'args', 'id', 'priority', 'scheduledAt', 'scheduleIn', 'maxAttempts', 'backoff', 'timeout', 'tags'],
  ...['meta', 'reference', 'each', 'worker', 'node', 'limit', 'waitMs', 'types', 'running', 'outcomes', 'attempt'],
  ...['run', 'outcome', 'result', 'error', 'retryIn', 'for', 'progress', 'state', 'queue', 'tag', 'schedule', 'before'],
  ...['after', 'cursor', 'order', 'timeoutMs', 'terminate', 'kind', 'base', 'message', '__proto__', 'toString', ''],
];
const GOOD = [
  ...['theirs', 'default', crypto.randomUUID(), '01a20128-f7ac-76ca-9234-b51070260f07', '5s', '2100-01-01T00:00:00Z'],
  ...['complete', 'fail', 'snooze', 'available', 'asc', 'd1', 'high', '\u0000', '\ud800', 1, 0, 5, 100, true, null],
];
const value = fc.letrec((tie) => ({
  it: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.constantFrom(...GOOD),
    fc.jsonValue({ maxDepth: 1 }),
    fc.array(tie('it'), { maxLength: 3 }),
    tie('record'),
  ),
  record: fc.dictionary(fc.constantFrom(...NAMES), tie('it'), { maxKeys: 6, noNullPrototype: true }),
}));

function isAnswer(answer: Answer): void {
  const { status, code, headers, value: body } = answer;
  if (status === undefined) return;
  expect(STATUS_OF[String(code)], JSON.stringify(body)).toBe(status);
  expect(headers['Nats-Service-Error']).not.toBe('');
  expect(body.error.message).toBeTypeOf('string');
  for (const issue of body.error.issues ?? [])
    expect(issue).toEqual({ path: expect.any(String), message: expect.any(String) });
}

/** The parts that wait for something are asked not to. */
function hasty(subject: string, body: unknown): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body;
  if (subject === 'work.default.claim') return { ...body, waitMs: 0 };
  return subject === 'job.wait' ? { ...body, timeoutMs: 0 } : body;
}

test('structured nonsense', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...SUBJECTS), value.record, async (subject, body) => {
      isAnswer(await node.request(`jobs.${subject}`, hasty(subject, body)));
    }),
    { numRuns: 1_500 },
  );
});

test('structured nonsense in MessagePack', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...SUBJECTS), value.it, async (subject, body) => {
      const sent = hasty(subject, body);
      if (!JSON.stringify(sent).includes('__proto__')) isAnswer(await node.pack(`jobs.${subject}`, sent));
    }),
    { numRuns: 500 },
  );
});

test('bytes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...SUBJECTS),
      fc.uint8Array({ minLength: 1, maxLength: 60 }),
      async (subject, bytes) => {
        isAnswer(await node.request(`jobs.${subject}`, bytes));
        isAnswer(await node.pack(`jobs.${subject}`, bytes));
      },
    ),
    { numRuns: 500 },
  );
});

/** Headers that announce far more than they bring, and others nested in what they announce. */
const BOMBS: [name: string, ...pattern: number[]][] = [
  ['arrays of 65,535 items', 0xdc, 0xff, 0xff],
  ['arrays of 2^32 items', 0xdd],
  ['maps of 65,535 entries', 0xde, 0xff, 0xff],
  ['maps of 2^32 entries', 0xdf],
  ['arrays of one item', 0x91],
];

test.each(BOMBS)('MessagePack that announces more than it brings: %s', async (_, ...pattern) => {
  const bytes = Uint8Array.from({ length: 900_000 }, (__, place) => pattern[place % pattern.length] ?? 0);
  const before = process.memoryUsage().rss;
  const asked = SUBJECTS.map((subject) => node.pack(`jobs.${subject}`, bytes));
  expect(await node.ask('jobs.job.count')).toMatchObject({ total: expect.any(Number) });
  for (const answer of await Promise.all(asked)) expect(answer).toMatchObject({ status: 400, code: 'invalid_request' });
  // Of 19 such requests the first alone would have taken more than the machine has.
  expect(process.memoryUsage().rss - before).toBeLessThan(600_000_000);
});

test('texts that databases and headers are touchy about come back as they went in', async () => {
  const odd = ['\u0000', 'a\u0000b', '\u2028', "';--", '😀', '\u001b[31m', '%_', 'ı'];
  for (const text of odd) {
    const fields = {
      args: { [text]: text },
      meta: { [text]: text },
      tags: [`x${text}`],
      reference: { type: text, id: text },
    };
    const { job } = await node.ask('jobs.enqueue.default', { type: 'theirs', ...fields });
    const { args, meta, tags, reference } = await node.ask('jobs.job.get', { id: job.id });
    expect({ args, meta, reference }, JSON.stringify(text)).toEqual({
      args: fields.args,
      meta: fields.meta,
      reference: fields.reference,
    });
    expect(tags).toEqual(job.tags);
    for (const filter of [{ reference }, { tag: tags[0] }]) {
      expect((await node.ask('jobs.job.list', filter)).jobs.map(({ id }: { id: string }) => id)).toEqual([job.id]);
    }
    await node.ask('jobs.job.cancel', { id: job.id });
  }
});

test('the node is well, and still does its work', async () => {
  const tree = JSON.stringify(await node.ask('jobs.ctl.node.tree'));
  expect(tree).not.toMatch(/"restarts":[1-9]/);
  expect(node.events.filter(({ subject }) => subject.includes('.supervisor.'))).toEqual([]);
  const { job } = await node.ask('jobs.enqueue.default', { type: 'theirs' });
  expect(await node.ask('jobs.job.get', { id: job.id })).toMatchObject({ state: 'available' });
});
