import { ExtData, encode } from '@msgpack/msgpack';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defineJob } from '../../src/index.ts';
import { type RotaNode, startRotaNode } from '../support/rota-node.ts';

// PROTOCOL.md section 1, sentence by sentence, as a program that knows nothing of Rota sees it.

let node: RotaNode;
beforeAll(async () => {
  // Nobody runs this type here, so that jobs stay as they were enqueued.
  const queues = { default: 10, 'q_-9': 1, constructor: 1, toString: 1 };
  node = await startRotaNode({ queues, jobs: [defineJob({ type: 'x:a.b-c_1' })] });
});
afterAll(() => node.stop());

const ENQUEUE = 'jobs.enqueue.default';
const type = 'x:a.b-c_1';
const UNKNOWN_ID = '01a20128-f7ac-76ca-9234-b51070260f07';
const count = async (): Promise<number> => (await node.ask('jobs.job.count')).total;
/** Nested arrays: `depth` levels. */
const nest = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

describe('names', () => {
  test('a queue is one token, in every subject that has one', async () => {
    expect((await node.ask('jobs.enqueue.q_-9', { type })).job.queue).toBe('q_-9');
    for (const bad of ['a!b', 'ä', 'a/b', 'x'.repeat(65), 'a.b', '%20', '__proto__']) {
      expect(await node.request(`jobs.enqueue.${bad}`, { type })).toMatchObject({ status: 400 });
      expect(await node.request(`jobs.work.${bad}.claim`, {})).toMatchObject({ status: 400 });
    }
    expect(await node.request('jobs.job.list', { queue: 'a b' })).toMatchObject({ status: 400, paths: ['queue'] });
    expect(await node.request('jobs.ctl.node.tree', { node: 'a b' })).toMatchObject({ status: 400, paths: ['node'] });
  });

  test('a queue may be named as what every object has, but not __proto__, which no key of a reply can be', async () => {
    for (const queue of ['constructor', 'toString', 'toString']) await node.ask(`jobs.enqueue.${queue}`, { type });
    const { byQueue } = await node.ask('jobs.job.count');
    expect([byQueue.constructor, byQueue.toString]).toEqual([1, 2]);
    expect((await node.pack('jobs.job.count', {})).value.byQueue).toEqual(byQueue);
    const said = await node.request('jobs.ctl.queue.pause', { queue: '__proto__' });
    expect(said).toMatchObject({ status: 400, paths: ['queue'] });
    expect(said.value.error.issues[0].message).toMatch(/not __proto__/);
    const limited = { queue: 'default', limit: 1, node: '__proto__' };
    expect(await node.request('jobs.ctl.queue.scale', limited)).toMatchObject({ status: 400, paths: ['node'] });
  });

  test('a type has its own alphabet and 1 to 128 characters', async () => {
    for (const bad of ['', 'a b', 'a/b', 'ä', 'x'.repeat(129), 7, null, undefined]) {
      expect(await node.request(ENQUEUE, { type: bad })).toMatchObject({ status: 400, paths: ['type'] });
    }
    // A good one that nobody declares is told apart from a bad one.
    expect(await node.request(ENQUEUE, { type: 'x'.repeat(128) })).toMatchObject({ status: 400, code: 'unknown_type' });
  });

  test('an unknown queue is 404 for enqueue and claim, known or not to be a type', async () => {
    expect(await node.request('jobs.enqueue.nowhere', { type })).toMatchObject({ status: 404, code: 'not_found' });
    const claim = { worker: crypto.randomUUID(), node: 'plain' };
    expect(await node.request('jobs.work.nowhere.claim', claim)).toMatchObject({ status: 404, code: 'not_found' });
  });

  test('a verb or subject that is none is answered, not left to time out', async () => {
    const subjects = ['job.frobnicate', 'job.get.x', 'ctl.queue.frobnicate', 'ctl.x.list', 'ctl.x', 'work.default.x'];
    for (const subject of [...subjects, 'work.default', 'work.default.claim.x']) {
      expect(await node.request(`jobs.${subject}`, {}), subject).toMatchObject({
        status: 400,
        code: 'invalid_request',
      });
    }
  });
});

describe('bodies', () => {
  test('the Content-Type chooses the codec, of the reply too', async () => {
    for (const kind of ['application/json', 'application/json; charset=utf-8', 'Application/JSON;charset=UTF-8']) {
      const { status, value } = await node.request(ENQUEUE, { type }, { headers: { 'Content-Type': kind } });
      expect({ status, type: value.job.type }).toEqual({ status: undefined, type });
    }
    const packed = await node.pack(ENQUEUE, { type, args: { n: 1 } });
    expect(packed.headers['Content-Type']).toBe('application/msgpack');
    expect(packed.value.job).toMatchObject({ type, args: { n: 1 }, state: 'available' });
    const refused = await node.pack(ENQUEUE, { type: 'nobody' });
    expect(refused.headers['Content-Type']).toBe('application/msgpack');
    expect(refused).toMatchObject({ status: 400, code: 'unknown_type', paths: ['type'] });
  });

  test('any other Content-Type is 415 on every subject', async () => {
    const headers = { 'Content-Type': 'text/plain' };
    for (const subject of ['enqueue.default', 'work.default.claim', 'job.list', 'job.wait', 'ctl.queue.list']) {
      const answer = await node.request(`jobs.${subject}`, { type }, { headers });
      expect(answer, subject).toMatchObject({ status: 415, code: 'unsupported_content_type' });
    }
    const xml = await node.request(ENQUEUE, '<job/>', { headers: { 'content-type': 'application/xml' } });
    expect(xml.status).toBe(415);
  });

  test('an empty body is {}', async () => {
    expect((await node.ask('jobs.job.list')).jobs).toBeInstanceOf(Array);
    expect(await node.request(ENQUEUE)).toMatchObject({ status: 400, paths: ['type'] });
    const emptyPack = await node.pack('jobs.job.count', new Uint8Array(0));
    expect(emptyPack.value.total).toBeTypeOf('number');
  });

  test('what is no JSON object or array, no UTF-8 or no MessagePack is 400', async () => {
    const bad = ['{', 'null', '1', '"x"', '{"type":"a"} x', Uint8Array.of(0x22, 0xff, 0x22), Uint8Array.of(0xc1)];
    for (const subject of [ENQUEUE, 'jobs.job.get', 'jobs.job.list', 'jobs.ctl.node.list', 'jobs.work.default.beat']) {
      for (const body of bad) expect(await node.request(subject, body), subject).toMatchObject({ status: 400 });
      for (const body of [Uint8Array.of(0xc1), Uint8Array.of(0x81), encode(null), encode(7), encode(new Date())]) {
        expect(await node.pack(subject, body), subject).toMatchObject({ status: 400 });
      }
    }
    expect(await node.request('jobs.job.list', [])).toMatchObject({ status: 400 });
  });

  test('MessagePack values that JSON has not are 400', async () => {
    const before = await count();
    const values = [Uint8Array.of(1), new Uint8Array(0), new Date(0), Number.NaN, Number.POSITIVE_INFINITY];
    for (const value of [...values, new ExtData(5, Uint8Array.of(1)), new ExtData(5, new Uint8Array(0))]) {
      for (const field of ['args', 'meta']) {
        const answer = await node.pack(ENQUEUE, { type, [field]: { value } });
        expect(answer, `${field}: ${String(value)}`).toMatchObject({ status: 400 });
      }
      expect(await node.pack(ENQUEUE, { type, scheduleIn: value })).toMatchObject({ status: 400 });
    }
    // Without a name for it, JSON makes infinity of this.
    expect(await node.request(ENQUEUE, `{"type":"${type}","args":{"n":1e400}}`)).toMatchObject({ paths: ['args.n'] });
    expect(await count()).toBe(before);
  });

  test('unknown fields are refused by name, wherever they stand', async () => {
    const job = { type, queue: 'default', agrs: {} };
    expect(await node.request(ENQUEUE, job)).toMatchObject({
      status: 400,
      code: 'invalid_job',
      paths: ['queue', 'agrs'],
    });
    expect((await node.request(ENQUEUE, [{ type }, { type, x: 1 }])).paths).toEqual(['1.x']);
    expect((await node.request(ENQUEUE, { type, reference: { type: 'a', id: 'b', c: 1 } })).paths).toEqual([
      'reference.c',
    ]);
    expect((await node.request(ENQUEUE, { type, backoff: { kind: 'constant', base: 1, x: 1 } })).paths).toEqual([
      'backoff.x',
    ]);
    const subjects = ['job.get', 'job.list', 'job.count', 'job.wait', 'job.cancel', 'work.default.claim'];
    const others = ['work.default.beat', 'work.default.settle', 'work.default.progress', 'ctl.node.tree'];
    const lists = ['ctl.queue.list', 'ctl.schedule.list', 'ctl.node.list', 'ctl.node.types', 'ctl.rejected.list'];
    for (const subject of [...subjects, ...others, ...lists]) {
      const answer = await node.request(`jobs.${subject}`, { bogus: 1 });
      expect(answer, subject).toMatchObject({ status: 400, code: 'invalid_request' });
      expect(answer.paths, subject).toContain('bogus');
    }
    expect((await node.request(ENQUEUE, `{"type":"${type}","__proto__":{}}`)).paths).toEqual(['__proto__']);
    expect((await node.request(ENQUEUE, `{"type":"${type}","args":{"__proto__":1}}`)).paths).toEqual([
      'args.__proto__',
    ]);
  });

  test('a body nests 64 levels at most', async () => {
    const body = (levels: number, field = 'args'): string => `{"type":"${type}","${field}":${nest(levels - 1)}}`;
    expect((await node.request(ENQUEUE, body(64))).status).toBeUndefined();
    expect(await node.request(ENQUEUE, body(65))).toMatchObject({ status: 400, code: 'invalid_job' });
    const deepMeta = `{"type":"${type}","meta":{"deep":${nest(63)}}}`;
    expect((await node.request(ENQUEUE, deepMeta)).status).toBe(400);
    expect((await node.request(ENQUEUE, `[{"type":"${type}","args":${nest(64)}}]`)).status).toBe(400);
    const packed = { type, args: JSON.parse(nest(64)) };
    expect(await node.pack(ENQUEUE, packed)).toMatchObject({ status: 400, code: 'invalid_job' });
    expect((await node.pack(ENQUEUE, { ...packed, args: packed.args[0] })).status).toBeUndefined();
    expect((await node.request(ENQUEUE, nest(100_000))).status).toBe(400);
    expect((await node.request(ENQUEUE, `{"type":"${type}","args":${nest(100_000)}}`)).status).toBe(400);
  });
});

describe('errors', () => {
  test('stand in headers and body, with code, message and issues', async () => {
    const { headers, value } = await node.request(ENQUEUE, [{ type }, { type, args: 7, priority: 'urgent' }]);
    expect(headers['Nats-Service-Error-Code']).toBe('400');
    expect(headers['Nats-Service-Error']).toBe(value.error.message);
    expect(value).toEqual({
      error: {
        code: 'invalid_job',
        message: expect.any(String),
        issues: [
          { path: '1.args', message: expect.any(String) },
          { path: '1.priority', message: expect.any(String) },
        ],
      },
    });
    const missing = await node.request('jobs.job.get', { id: UNKNOWN_ID });
    expect(missing).toMatchObject({ status: 404, code: 'not_found' });
    expect(missing.headers['Nats-Service-Error-Code']).toBe('404');
  });

  test('a message that no header can carry is one all the same', async () => {
    const { status, headers } = await node.request(ENQUEUE, { type, 'näch\r\nste': 1 });
    expect(status).toBe(400);
    expect(headers['Nats-Service-Error']).toMatch(/^[\x20-\x7e]+$/);
  });

  test('a reply subject under our prefix or $ is never answered', async () => {
    const seen: string[] = [];
    const watch = ['jobs.enqueue.default', 'jobs.spy', '$SPY.x', '_INBOX.plain.spy'].map((subject) =>
      node.nats.subscribe(subject, {
        callback: (_error, msg) => void seen.push(`${msg.subject} ${msg.string().slice(0, 8)}`),
      }),
    );
    const before = await count();
    node.publish('jobs.job.count', {}, 'jobs.spy');
    node.publish('jobs.job.count', {}, 'jobs.enqueue.default');
    node.publish('jobs.job.count', { bad: 1 }, '$SPY.x');
    node.publish('jobs.work.default.claim', { bad: 1 }, 'jobs.spy');
    node.publish('jobs.job.count', {}, '_INBOX.plain.spy');
    // The last one's answer and another round trip came after whatever the others could have caused.
    await node.ask('jobs.work.default.beat', { worker: crypto.randomUUID(), running: [] });
    expect(await count()).toBe(before);
    expect(seen).toEqual([expect.stringMatching(/^_INBOX.plain.spy \{"total"/)]);
    for (const subscription of watch) subscription.unsubscribe();
  });
});

test('the node is well after all of this', async () => {
  const tree = JSON.stringify(await node.ask('jobs.ctl.node.tree'));
  expect(tree).not.toMatch(/"restarts":[1-9]/);
  expect(node.events.filter(({ subject }) => subject.includes('.supervisor.'))).toEqual([]);
});
