import { expect, test } from 'vitest';
import { AttemptContext } from '../../../src/actors/executor/hosts/attempt-context.ts';
import type { FromHost } from '../../../src/actors/executor/hosts/host-messages.ts';
import { systemClock } from '../../../src/kernel/clock.ts';

function made() {
  const posted: FromHost[] = [];
  let nowMs = 0;
  const context = new AttemptContext(
    {
      ...{ type: 'run', key: 7, jobType: 'a', attempt: 1, args: {} },
      job: {
        ...{ id: 'x', type: 'a', queue: 'default', attempt: 1, maxAttempts: 1, run: 1, priority: 5 },
        ...{ scheduledAt: 0, insertedAt: 0, tags: [], meta: {}, reference: null, schedule: null, traceparent: null },
      },
    },
    {
      clock: { ...systemClock, monotonicMs: () => nowMs },
      post: (message) => posted.push(structuredClone(message)),
      services: {},
    },
  );
  const advance = (ms: number): void => {
    nowMs += ms;
  };
  return { context, given: context.given, posted, advance };
}

test('log lines beyond a thousand a second are dropped and counted', () => {
  const { given, posted, advance } = made();
  for (let line = 0; line < 1_500; line += 1) given.log.info({ line }, 'flood');
  expect(posted).toHaveLength(1_000);
  advance(1_000);
  given.log.info({}, 'on');
  expect(posted.slice(1_000)).toEqual([
    { type: 'log', key: 7, level: 'warn', fields: { dropped: 500 }, message: 'log lines of the handler were dropped' },
    { type: 'log', key: 7, level: 'info', fields: {}, message: 'on' },
  ]);
});

test('progress is told at once, then the last of each while, and the last of all at the end', async () => {
  const { context, given, posted, advance } = made();
  const values = () => posted.map((message) => (message.type === 'progress' ? message.value : message.type));
  for (const value of [1, 2, 3]) given.progress(value);
  expect(values()).toEqual([1]);
  await new Promise(setImmediate);
  expect(values()).toEqual([1, 3]);
  given.progress(4);
  advance(50);
  given.progress(5);
  expect(values()).toEqual([1, 3, 5]);
  for (const value of [6, 7]) given.progress(value);
  context.over();
  expect(values()).toEqual([1, 3, 5, 7]);
});

test('what does not travel is told as JSON has it', () => {
  const { given, posted } = made();
  const cyclic: Record<string, unknown> = { call: () => {} };
  given.log.info({ call: () => {}, kept: 1 }, 'a');
  cyclic.self = cyclic;
  given.log.error(cyclic, 'b');
  expect(posted).toMatchObject([
    { fields: { kept: 1 }, message: 'a' },
    { fields: { unreadable: expect.any(String) }, message: 'b' },
  ]);
});

test('once the handler has returned, what it left behind is told nothing', async () => {
  const { context, given, posted } = made();
  const open = given.enqueue('b');
  context.over();
  await expect(open).rejects.toMatchObject({ code: 'closed' });
  given.log.info({}, 'late');
  given.progress(1);
  await expect(given.enqueue('b')).rejects.toMatchObject({ code: 'closed' });
  expect(posted.map(({ type }) => type)).toEqual(['enqueue']);
});

test('args of an enqueue travel as the JSON that they are here, or are refused with their place', async () => {
  const { given, posted } = made();
  const args = { gone: undefined, at: new Date(0), link: new URL('http://a.example/') };
  void given.enqueue('a', args);
  const json = { at: '1970-01-01T00:00:00.000Z', link: 'http://a.example/' };
  expect(posted.map((message) => message.type === 'enqueue' && message.args)).toStrictEqual([json]);
  for (const odd of [() => {}, new Map(), Number.NaN, 1n]) {
    await expect(given.enqueue('a', { list: [odd] })).rejects.toMatchObject({
      code: 'invalid_args',
      issues: [{ path: 'args.list.0' }],
    });
  }
  await expect(given.enqueue('a', {}, { meta: { call: () => {} } as never })).rejects.toMatchObject({
    code: 'invalid_job',
  });
  expect(posted).toHaveLength(1);
});
