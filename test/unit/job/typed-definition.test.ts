import { type ArgsOf, defineJob, type HandlerContext, type Json, type RotaClient } from 'rota';
import { describe, expect, expectTypeOf, test } from 'vitest';

/** A Standard Schema of some library: takes text or a number, gives a number. */
const schema = {
  '~standard': {
    version: 1 as const,
    vendor: 'test',
    validate: (value: unknown) => ({ value: { at: Number((value as { at: string }).at) } }),
    types: undefined as { input: { at: string | number }; output: { at: number } } | undefined,
  },
};

describe('a typed definition', () => {
  const typed = defineJob({
    type: 'typed',
    args: schema,
    run: ({ args }) => {
      expectTypeOf(args).toEqualTypeOf<{ at: number }>();
      return args.at;
    },
  });

  test('gives its handler what the schema makes', () => {
    expect(typed.run?.({ args: { at: 5 } } as HandlerContext<{ at: number }>)).toBe(5);
  });

  test('takes from an enqueue what the schema takes', () => {
    expectTypeOf<ArgsOf<typeof typed>>().toEqualTypeOf<{ at: string | number }>();
    type Enqueue = RotaClient['enqueue'];
    const compiled = (enqueue: Enqueue): unknown => [
      enqueue(typed, { at: '5' }),
      // @ts-expect-error the schema takes text or a number
      enqueue(typed, { at: true }),
      // @ts-expect-error a typing mistake in a name
      enqueue(typed, { att: 5 }),
    ];
    expect(compiled).toBeTypeOf('function');
  });

  test('without a schema its args are JSON, or what its handler says; a name takes anything', () => {
    const plain = defineJob({ type: 'plain', run: ({ args }) => expectTypeOf(args).toEqualTypeOf<Json>() });
    const said = defineJob({ type: 'said', run: ({ args }: HandlerContext<{ id: number }>) => args.id });
    expectTypeOf<ArgsOf<typeof plain>>().toEqualTypeOf<unknown>();
    expectTypeOf<ArgsOf<typeof said>>().toEqualTypeOf<{ id: number }>();
    expectTypeOf<ArgsOf<'plain'>>().toEqualTypeOf<unknown>();
    expect([plain.type, said.type]).toEqual(['plain', 'said']);
  });
});
