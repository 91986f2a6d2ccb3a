import { describe, expect, test } from 'vitest';
import { compareVersions, versionIn } from '../../../src/actors/nats-server/version.ts';

describe('the version of a nats-server', () => {
  test.each([
    ['nats-server: v2.9.10\n', '2.9.10'],
    ['nats-server: v2.11.0-RC.1', '2.11.0-RC.1'],
    ['nats-server version 2.2.0', '2.2.0'],
    ['hello 2.9', undefined],
    ['', undefined],
  ])('in %j is %s', (text, version) => expect(versionIn(text)).toBe(version));

  test('versions are ordered by number, not by text, and a pre-release comes before its release', () => {
    const ordered = [
      '0.9.9',
      '1.4.1',
      '2.9.3',
      '2.9.4',
      '2.9.10',
      '2.9.25',
      '2.10.0-RC.1',
      '2.10.0',
      '2.10.1',
      '3.0.0',
    ];
    ordered.forEach((left, index) => {
      ordered.forEach((right, other) => {
        expect(Math.sign(compareVersions(left, right)), `${left} ${right}`).toBe(Math.sign(index - other));
      });
    });
    expect(compareVersions('2.10.0-beta', '2.10.0-RC.1')).toBe(0);
  });
});
