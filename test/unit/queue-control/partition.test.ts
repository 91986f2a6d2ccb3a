import { describe, expect, it } from 'vitest';
import { partitionKey, partitionPath } from '../../../src/job/partition.ts';
import { Issues } from '../../../src/kernel/check.ts';

const keyOf = (by: string, args: object, meta: object = {}) =>
  partitionKey({ args: args as never, meta: meta as never }, by);

describe('the partition of a job', () => {
  it('is the value at the path, by its content', () => {
    expect(keyOf('args.tenant', { tenant: 'a' })).toBe(keyOf('args.tenant', { tenant: 'a', more: 1 }));
    expect(keyOf('args.tenant', { tenant: 1 })).not.toBe(keyOf('args.tenant', { tenant: '1' }));
    expect(keyOf('args.at', { at: { x: 1, y: 2 } })).toBe(keyOf('args.at', { at: { y: 2, x: 1 } }));
    expect(keyOf('meta.customer.id', { customer: { id: 1 } }, { customer: { id: 2 } })).toBe('2');
    expect(keyOf('args.0', ['first'])).toBe('"first"');
  });

  it('is one for all that have no value there, own members only', () => {
    const none = keyOf('args.tenant', {});
    expect(keyOf('args.tenant', { tenant: null })).toBe(none);
    expect(keyOf('args.tenant.name.first', { tenant: 'a' })).toBe(none);
    expect(keyOf('args.constructor', {})).toBe(none);
    expect(keyOf('args.length', ['a'])).toBe('1');
  });

  it('is short for any value', () => {
    const long = keyOf('args.tenant', { tenant: 'x'.repeat(200_000) });
    expect(long.length).toBeLessThan(64);
    expect(long).not.toBe(keyOf('args.tenant', { tenant: 'x'.repeat(200_001) }));
  });
});

describe('the path of a partition', () => {
  const accepted = (path: unknown) => partitionPath(path, 'by', new Issues()) !== undefined;

  it.each(['args.tenant', 'meta.a.b.c', 'args.with space', 'args.0'])('may be %s', (path) => {
    expect(accepted(path)).toBe(true);
  });

  it.each(['', 'args', 'tenant', 'args.', 'args..a', 'job.args.a', `args.${'a'.repeat(300)}`, 5, null])(
    'is not %j',
    (path) => {
      expect(accepted(path)).toBe(false);
    },
  );
});
