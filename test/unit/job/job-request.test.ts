import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defineJob } from '../../../src/job/definition.ts';
import {
  checkArgs,
  type JobRequest,
  jobRequest,
  newJob,
  requestFaultCode,
  traceparentText,
} from '../../../src/job/job-request.ts';
import { LIMITS } from '../../../src/job/limits.ts';
import { Issues } from '../../../src/kernel/check.ts';

const ID = '01890a5d-ac96-774b-bcce-b302099a8057';

function read(value: unknown): { request: JobRequest | undefined; paths: string[]; issues: Issues } {
  const issues = new Issues();
  const request = jobRequest(value, '', issues);
  return { request, paths: issues.list.map(({ path }) => path), issues };
}

describe('a job request', () => {
  it('counts characters, of which an emoji is one', () => {
    const [tag, part] = ['😀'.repeat(LIMITS.tagLengthMax), '😀'.repeat(LIMITS.referencePartLengthMax)];
    expect(read({ type: 'a', tags: [tag], reference: { type: part, id: part } }).paths).toEqual([]);
    expect(read({ type: 'a', tags: [`${tag}x`], reference: { type: 'a', id: `${part}x` } }).paths).toEqual([
      'tags.0',
      'reference.id',
    ]);
  });

  it('takes a reference only if it would be read back as it came', () => {
    expect(read({ type: 'a', reference: { type: 'up\u0000load', id: '😀"\\' } }).paths).toEqual([]);
    expect(read({ type: 'a', reference: { type: '\ud800', id: 'x\udc00' } }).paths).toEqual([
      'reference.type',
      'reference.id',
    ]);
  });

  it('is read with every field, in the units of the inside', () => {
    const { request } = read({
      type: 'mail.send',
      args: { to: 'x' },
      id: ID.toUpperCase(),
      priority: 'high',
      scheduleIn: '1.5s',
      maxAttempts: 3,
      backoff: { kind: 'linear', base: '2s', max: '1m', jitter: 0.5 },
      timeout: '30s',
      tags: ['B', 'a', 'b'],
      meta: { tenant: 'x' },
      reference: { type: 'file', id: '42' },
    });
    expect(request).toEqual({
      type: 'mail.send',
      args: { to: 'x' },
      id: ID,
      priority: 2,
      scheduleIn: 1_500,
      maxAttempts: 3,
      backoff: { kind: 'linear', baseMs: 2_000, maxMs: 60_000, jitter: 0.5 },
      timeout: 30_000,
      tags: ['b', 'a'],
      meta: { tenant: 'x' },
      reference: { type: 'file', id: '42' },
    });
    expect(read({ type: 'a', scheduledAt: '2026-01-05T10:00:00Z' }).request?.scheduledAt).toBe(1_767_607_200_000);
    expect(read({ type: 'a', args: null, id: null, tags: null }).request).toEqual({ type: 'a' });
  });

  it.each<[string, object, string[]]>([
    ['no type', {}, ['type']],
    ['a type with a space', { type: 'a b' }, ['type']],
    ['a long type', { type: 'a'.repeat(129) }, ['type']],
    ['an unknown field', { type: 'a', queue: 'q', prority: 1 }, ['queue', 'prority']],
    ['another kind of id', { type: 'a', id: '01890a5d-ac96-474b-bcce-b302099a8057' }, ['id']],
    ['args that are a text', { type: 'a', args: 'x' }, ['args']],
    ['args that are a number', { type: 'a', args: 5 }, ['args']],
    ['a key __proto__', { type: 'a', args: JSON.parse('{"x":{"__proto__":1}}') }, ['args.x.__proto__']],
    ['infinity', { type: 'a', args: { x: [1, Number.POSITIVE_INFINITY] } }, ['args.x.1']],
    ['a date', { type: 'a', args: { x: new Date(0) } }, ['args.x']],
    ['priority 10', { type: 'a', priority: 10 }, ['priority']],
    ['a priority from the prototype', { type: 'a', priority: 'toString' }, ['priority']],
    ['both times', { type: 'a', scheduledAt: '2026-01-05T10:00:00Z', scheduleIn: 1 }, ['scheduleIn']],
    ['no real date', { type: 'a', scheduledAt: '2026-02-30T10:00:00Z' }, ['scheduledAt']],
    ['another zone', { type: 'a', scheduledAt: '2026-01-05T10:00:00+01:00' }, ['scheduledAt']],
    ['a negative delay', { type: 'a', scheduleIn: -1 }, ['scheduleIn']],
    ['a delay without unit', { type: 'a', scheduleIn: '30' }, ['scheduleIn']],
    ['no attempts', { type: 'a', maxAttempts: 0 }, ['maxAttempts']],
    ['too many attempts', { type: 'a', maxAttempts: 1_001 }, ['maxAttempts']],
    ['half an attempt', { type: 'a', maxAttempts: 1.5 }, ['maxAttempts']],
    ['an unknown backoff', { type: 'a', backoff: { kind: 'cubic', base: 1 } }, ['backoff.kind']],
    ['a jitter over 1', { type: 'a', backoff: { kind: 'constant', base: 1, jitter: 2 } }, ['backoff.jitter']],
    ['too many tags', { type: 'a', tags: Array(33).fill('x') }, ['tags']],
    ['a tag that is no text', { type: 'a', tags: ['x', 7] }, ['tags.1']],
    ['a long tag', { type: 'a', tags: ['x'.repeat(129)] }, ['tags.0']],
    ['half a character in a tag', { type: 'a', tags: ['x', '\ud800'] }, ['tags.1']],
    ['meta that is a list', { type: 'a', meta: [] }, ['meta']],
    ['half a reference', { type: 'a', reference: { type: 'x' } }, ['reference.id']],
    ['a long reference', { type: 'a', reference: { type: 'x', id: 'y'.repeat(257) } }, ['reference.id']],
  ])('is refused with the field for %s', (_name, value, paths) => {
    const { request, paths: found } = read(value);
    expect(request).toBeUndefined();
    expect(found).toEqual(paths);
  });

  it('tells all faults at once', () => {
    expect(read({ type: '', priority: -1, tags: 'x', extra: 1 }).paths.sort()).toEqual([
      'extra',
      'priority',
      'tags',
      'type',
    ]);
  });

  it('answers too large for sizes and depth bounds for nesting', () => {
    const large = read({ type: 'a', args: { text: 'ä'.repeat(LIMITS.argsBytesMax / 2) } });
    expect(large.request).toBeUndefined();
    expect(requestFaultCode(large.issues)).toBe('too_large');
    const meta = read({ type: 'a', meta: { text: 'x'.repeat(LIMITS.metaBytesMax) } });
    expect(requestFaultCode(meta.issues)).toBe('too_large');
    expect(requestFaultCode(read({}).issues)).toBe('invalid_job');
    const nest = (levels: number): unknown => (levels === 0 ? 1 : [nest(levels - 1)]);
    expect(read({ type: 'a', args: nest(62) }).request).toBeDefined();
    expect(read({ type: 'a', args: nest(65) }).request).toBeUndefined();
  });

  it('never throws, whatever comes', () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true }),
        (value) => void read(value),
      ),
    );
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom('type', 'args', 'id', 'tags', 'meta', 'backoff', 'priority'), fc.anything()),
        (value) => void read(value),
      ),
    );
  });
});

describe('a new job', () => {
  const world = { now: 1_000, newId: () => ID, queue: 'q', definition: undefined };

  it('has the defaults', () => {
    expect(newJob({ type: 'a' }, world)).toEqual({
      id: ID,
      type: 'a',
      queue: 'q',
      state: 'available',
      args: {},
      priority: 5,
      maxAttempts: 20,
      scheduledAt: 1_000,
      insertedAt: 1_000,
      tags: [],
      meta: {},
      reference: null,
      schedule: null,
      backoff: null,
      timeoutMs: null,
      deadlineAt: null,
      traceparent: null,
    });
  });

  it("takes the type's defaults, and the request before them", () => {
    const definition = defineJob({ type: 'a', priority: 'low', maxAttempts: 7, timeout: '1s' });
    expect(newJob({ type: 'a' }, { ...world, definition })).toMatchObject({
      priority: 9,
      maxAttempts: 7,
      timeoutMs: 1_000,
    });
    const request = { type: 'a', priority: 0, maxAttempts: 1, timeout: 5 };
    expect(newJob(request, { ...world, definition })).toMatchObject({ priority: 0, maxAttempts: 1, timeoutMs: 5 });
  });

  it('is scheduled only when its time is to come', () => {
    expect(newJob({ type: 'a', scheduleIn: 1 }, world)).toMatchObject({ state: 'scheduled', scheduledAt: 1_001 });
    expect(newJob({ type: 'a', scheduleIn: 0 }, world)).toMatchObject({ state: 'available', scheduledAt: 1_000 });
    expect(newJob({ type: 'a', scheduledAt: 5 }, world)).toMatchObject({ state: 'available', scheduledAt: 5 });
  });
});

describe('args against a schema', () => {
  /** The smallest Standard Schema. */
  const schema = (validate: (value: unknown) => unknown) =>
    // The interface wants type parameters that a test has no use for.
    ({ '~standard': { version: 1, vendor: 'test', validate } }) as never;
  const check = async (validate: (value: unknown) => unknown, value: Parameters<typeof checkArgs>[1] = {}) => {
    const issues = new Issues();
    const definition = defineJob({ type: 'a', args: schema(validate) });
    return { args: await checkArgs(definition, value, { path: '3.args', issues }), issues: issues.list };
  };

  it("stores the schema's output, also from an asynchronous one", async () => {
    expect((await check(async () => ({ value: { n: 1 } }))).args).toEqual({ n: 1 });
  });

  it("tells the schema's issues at their place", async () => {
    const failing = () => ({ issues: [{ message: 'is wrong', path: ['list', { key: 0 }] }, { message: 'is odd' }] });
    const { args, issues } = await check(failing);
    expect(args).toBeUndefined();
    expect(issues).toEqual([
      { path: '3.args.list.0', message: 'is wrong' },
      { path: '3.args', message: 'is odd' },
    ]);
  });

  it('refuses an output that is no JSON, with the path', async () => {
    const { args, issues } = await check(() => ({ value: { when: new Date(0) } }));
    expect(args).toBeUndefined();
    expect(issues[0]?.path).toBe('3.args.when');
  });
});

it('keeps a trace context and drops what is none', () => {
  const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  expect(traceparentText(trace)).toBe(trace);
  for (const text of [undefined, '', 'x', trace.toUpperCase(), `${trace}${'x'.repeat(200)}`]) {
    expect(traceparentText(text)).toBeNull();
  }
});

it('gives each job what is empty of its own: who gets one may write to it', () => {
  const world = { now: 1, newId: () => 'id', queue: 'q', definition: undefined };
  const [one, other] = [newJob({ type: 't' }, world), newJob({ type: 't' }, world)];
  one.tags.push('written');
  Object.assign(one.meta, { written: true });
  expect([other.tags, other.meta]).toEqual([[], {}]);
});
