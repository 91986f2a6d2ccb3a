import { expect, test } from 'vitest';
import { runAttempt } from '../../../src/actors/executor/attempt.ts';
import { type AnyJobDefinition, defineJob, type HandlerContext } from '../../../src/job/definition.ts';
import { systemClock as clock } from '../../../src/kernel/clock.ts';

/** What makes an object something to wait for. */
const THEN = 'then';

/** The outcome of a handler that does this. */
const outcomeOf = (run: () => unknown) => {
  const definition = defineJob({ type: 't', run }) as AnyJobDefinition;
  // The handlers here ask nothing of it.
  const context = {} as HandlerContext;
  return runAttempt({ definition, context, attempt: 1, timeoutMs: null, clock, onTimeout: () => {} }).outcome;
};

test('a handler begins after the call that starts it', async () => {
  let began = false;
  const outcome = outcomeOf(() => {
    began = true;
  });
  expect(began).toBe(false);
  await outcome;
  expect(began).toBe(true);
});

test('what is answered at once and what is promised come to the same', async () => {
  const thenable = { [THEN]: (resolve: (value: number) => void) => resolve(7) };
  const callable = Object.assign(() => {}, thenable);
  for (const value of [7, Promise.resolve(7), thenable, callable]) {
    expect(await outcomeOf(() => value)).toEqual({ outcome: 'complete', result: 7 });
  }
  expect(await outcomeOf(() => ({ [THEN]: 'no function' }))).toEqual({
    outcome: 'complete',
    result: { [THEN]: 'no function' },
  });
});

test('a result that is no JSON is named with the place of its fault', async () => {
  const odd = { a: [1, JSON.parse('{"__proto__":1}')] };
  expect(await outcomeOf(() => odd)).toEqual({
    outcome: 'complete',
    result: null,
    resultFault: 'result.a.1.__proto__ is not allowed as a key',
  });
});

test('whatever is thrown, at once or later, is a failure', async () => {
  const boom = new Error('boom');
  const evil = new Proxy(
    {},
    {
      has: () => {
        throw boom;
      },
      get: () => {
        throw boom;
      },
    },
  );
  const throwing = {
    get [THEN](): never {
      throw boom;
    },
  };
  const throws = (): never => {
    throw boom;
  };
  for (const run of [throws, async () => throws(), () => evil, () => throwing, () => Promise.reject(boom)]) {
    expect(await outcomeOf(run)).toMatchObject({ outcome: 'fail', error: { kind: 'error', message: 'boom' } });
  }
});
