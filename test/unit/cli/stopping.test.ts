import { describe, expect, test } from 'vitest';
import { untilEnd } from '../../../src/cli/start.ts';
import { StopSignals } from '../../../src/cli/stop-signals.ts';
import { type Logger, silentLogger } from '../../../src/kernel/log.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

describe('signals', () => {
  async function taken(
    underNpm: boolean,
    steps: readonly [afterMs: number, signal: NodeJS.Signals][],
  ): Promise<string[]> {
    const clock = new VirtualClock();
    const signals = new StopSignals({ clock, underNpm });
    const answers: string[] = [];
    for (const [afterMs, signal] of steps) {
      await clock.advance(afterMs);
      answers.push(signals.take(signal));
    }
    return answers;
  }

  test('stop once, and a second one ends at once', async () => {
    expect(
      await taken(false, [
        [0, 'SIGINT'],
        [1, 'SIGINT'],
      ]),
    ).toEqual(['stop', 'at-once']);
    expect(
      await taken(false, [
        [0, 'SIGTERM'],
        [60, 'SIGTERM'],
      ]),
    ).toEqual(['stop', 'at-once']);
    expect(
      await taken(false, [
        [0, 'SIGTERM'],
        [10, 'SIGINT'],
      ]),
    ).toEqual(['stop', 'at-once']);
  });

  test('that a launcher passes on to the whole group count once', async () => {
    expect(
      await taken(false, [
        [0, 'SIGTERM'],
        [49, 'SIGTERM'],
        [60, 'SIGTERM'],
      ]),
    ).toEqual(['stop', 'nothing', 'at-once']);
  });

  test('that npm passes on count once', async () => {
    expect(
      await taken(true, [
        [0, 'SIGINT'],
        [299, 'SIGINT'],
        [300, 'SIGINT'],
      ]),
    ).toEqual(['stop', 'nothing', 'at-once']);
  });

  test('of a terminal that closes never hurry', async () => {
    expect(
      await taken(false, [
        [0, 'SIGHUP'],
        [1_000, 'SIGHUP'],
      ]),
    ).toEqual(['stop', 'nothing']);
    expect(
      await taken(false, [
        [0, 'SIGTERM'],
        [1_000, 'SIGHUP'],
      ]),
    ).toEqual(['stop', 'nothing']);
  });
});

describe('the end of a node', () => {
  const never = new Promise<never>(() => {});
  const node = (over: object) => ({ node: 'here', ended: never, stop: async () => {}, ...over });

  test('is exit code 0 after a stop that was asked for', async () => {
    let stops = 0;
    const stop = async (): Promise<void> => {
      stops += 1;
    };
    const code = await untilEnd({ rota: node({ stop }), asked: Promise.resolve(), logger: silentLogger });
    expect({ code, stops }).toEqual({ code: 0, stops: 1 });
  });

  test('is exit code 1 and a line in the log when its tree gave up, or did not stop in order', async () => {
    const lines: string[] = [];
    const logger: Logger = { ...silentLogger, error: (_fields, message) => lines.push(message) };
    const gaveUp = node({ ended: Promise.resolve('gave-up' as const) });
    expect(await untilEnd({ rota: gaveUp, asked: never, logger })).toBe(1);
    const stuck = node({ stop: () => Promise.reject(new Error('stuck')) });
    expect(await untilEnd({ rota: stuck, asked: Promise.resolve(), logger })).toBe(1);
    expect(lines).toEqual(['the supervision tree gave up; the log above says why', 'the node did not stop in order']);
  });
});
