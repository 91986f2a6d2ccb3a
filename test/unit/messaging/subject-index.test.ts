import fc from 'fast-check';
import { expect, test } from 'vitest';
import { receiversOf, SubjectIndex } from '../../../src/messaging/subject-index.ts';
import { subjectMatches } from '../../../src/messaging/subjects.ts';

const subject = fc
  .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 4 })
  .map((tokens) => tokens.join('.'));
const pattern = fc
  .tuple(fc.array(fc.constantFrom('a', 'b', '*'), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([tokens, open]) => (open ? [...tokens, '>'] : tokens).join('.'));

test('finds exactly the patterns that fit, whatever was added and removed before', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(pattern, fc.boolean()), { maxLength: 12 }), fc.array(subject), (steps, subjects) => {
      const index = new SubjectIndex<{ pattern: string }>();
      const live = new Set<{ pattern: string }>();
      for (const [text, keep] of steps) {
        const item = { pattern: text };
        index.add(text, item);
        for (const asked of subjects) index.match(asked);
        if (keep) live.add(item);
        else index.remove(text, item);
      }
      for (const asked of subjects) {
        const naive = [...live].filter((item) => subjectMatches(item.pattern, asked));
        expect(new Set(index.match(asked))).toEqual(new Set(naive));
      }
    }),
  );
});

test('of each group one receives, of the others all', () => {
  const items = [{ n: 1 }, { n: 2, group: 'g' }, { n: 3, group: 'g' }, { n: 4, group: 'h' }, { n: 5 }];
  const receivers = receiversOf<{ n: number; group?: string }>(
    items,
    (item) => item.group,
    () => 1,
  );
  expect(receivers.map((item) => item.n).sort()).toEqual([1, 3, 4, 5]);
});
