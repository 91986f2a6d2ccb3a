import { describe, expect, it } from 'vitest';
import { statesAllowing } from '../../../src/job/life.ts';
import type { StoreRequest, StoreVerb } from '../../../src/store/job-store.ts';
import { faultOf, LostConnection } from '../../../src/store/postgres/fault.ts';
import { planOf } from '../../../src/store/postgres/group-plan.ts';
import { checksumOf, MIGRATIONS } from '../../../src/store/postgres/migrate.ts';
import { held, unheld } from '../../../src/store/postgres/plain-text.ts';
import { numbers, texts } from '../../../src/store/postgres/sql-list.ts';
import { Statements } from '../../../src/store/postgres/statements.ts';
import { readStoreUrl } from '../../../src/store/postgres/store-url.ts';
import { allows } from '../../../src/store/postgres/verb.ts';

describe("a store's URL", () => {
  it('gives ours to us and the rest to the driver', () => {
    expect(readStoreUrl('postgres://u:p@h:1/d?schema=s1&prepare=false&pool=9&sslmode=require')).toEqual({
      ...{ urls: ['postgres://u:p@h:1/d?sslmode=require'], needs: 'primary', schema: 's1', prepare: false, pool: 9 },
    });
    expect(readStoreUrl('postgresql://h/d')).toEqual({
      ...{ urls: ['postgresql://h/d'], needs: 'primary', schema: 'rota', prepare: true, pool: 4 },
    });
  });

  it.each([
    'nonsense',
    'mysql://h/d',
    'postgres://h/d?schema=a"b',
    'postgres://h/d?schema=A',
    'postgres://h/d?schema=',
    'postgres://h/d?prepare=no',
    'postgres://h/d?pool=0',
    'postgres://h/d?pool=65',
    'postgres://h/d?pool=x',
  ])('is refused: %s', (url) => {
    expect(() => readStoreUrl(url)).toThrow(expect.objectContaining({ code: 'invalid_config' }));
  });
});

describe('the plan of a group', () => {
  const planned = (...verbs: StoreVerb[]) =>
    // Only the verbs are looked at.
    planOf(verbs.map((verb) => ({ verb }) as unknown as StoreRequest)).map(({ verb, places }) => [verb, places]);

  it('puts what came together together', () => {
    expect(planned('insert', 'insert', 'settle', 'insert', 'touch', 'settle', 'claim', 'claim')).toEqual([
      ['insert', [0, 1, 3]],
      ['settle', [2, 5]],
      ['touch', [4]],
      ['claim', [6, 7]],
    ]);
  });

  it('lets a claim see what was inserted before it, and a reader what was written', () => {
    expect(planned('insert', 'claim', 'insert', 'get', 'insert', 'get')).toEqual([
      ['insert', [0]],
      ['claim', [1]],
      ['insert', [2]],
      ['get', [3]],
      ['insert', [4]],
      ['get', [5]],
    ]);
    expect(planned('settle', 'cancel', 'settle')).toHaveLength(3);
    expect(planned('changeQueue', 'claim', 'changeQueue', 'claim')).toHaveLength(4);
  });
});

it.each(['', 'plain', 'a\u0000', '\ud800', '\u0001', '\u0001"x"', 'ünï\ud83d\ude00'])('holds the text %j', (text) => {
  const there = held(text);
  expect(there).not.toContain('\u0000');
  expect(there.isWellFormed()).toBe(true);
  expect(unheld(there)).toBe(text);
});

it('writes lists as PostgreSQL reads them', () => {
  expect(numbers([1, null, -3])).toBe('{1,NULL,-3}');
  expect(texts(['a', null, 'NULL', 'b"c\\d', '{,}'])).toBe('{"a",NULL,"NULL","b\\"c\\\\d","{,}"}');
});

it('names tables in full and statements once', () => {
  const statements = new Statements('s', true);
  expect(statements.of('select 1 from @jobs as jobs where tags @> $1')).toEqual({
    text: 'select 1 from "s".jobs as jobs where tags @> $1',
    name: 'rota_0',
  });
  expect(statements.of('select 2').name).toBe('rota_1');
  expect(statements.of('select 2').name).toBe('rota_1');
  expect(new Statements('s', false).of('select 2')).toEqual({ text: 'select 2' });
});

it('says a state in the words of the indexes', () => {
  expect(allows('due')).toBe(
    `(${statesAllowing('due')
      .map((state) => `state = '${state}'`)
      .join(' or ')})`,
  );
});

it('takes what the driver throws for a lost connection, and what nobody knows for a bug', () => {
  expect(faultOf(new LostConnection('x'))).toBe('connection');
  expect(faultOf(new TypeError('x'))).toBe('request');
});

it('never changes a migration that was shipped', () => {
  expect(MIGRATIONS.map((one) => [one.name, checksumOf(one)])).toEqual([
    ['jobs', '4aeb0e8d7b5cabf8'],
    ['workers and nodes', '263b933005be79e1'],
    ['schedules', 'ceceaa48d2a8f41d'],
    ['rejected messages', 'fd006f94ee8d71b1'],
    ['queues', 'c5c29715c6585ac9'],
    ['requests', '9d8c2552c753ef25'],
    ['set aside', '3eb33ae8aea4325d'],
    ['placed', 'adae6986fbdebe9a'],
  ]);
});
