import { describe, expect, it } from 'vitest';
import { type ChildSpec, startDynamicSupervisor, startSupervisor } from '../../../src/supervisor/supervisor.ts';
import { child, refusal, World, worker } from './harness.ts';

/** As users without a type checker write them. */
const wrong = (fields: object): ChildSpec => ({ ...child('a'), ...fields }) as ChildSpec;

describe('child specs are refused with the word of OTP', () => {
  const cases: [string, object, string][] = [
    ['no id', { id: undefined }, 'missing_id'],
    ['no start', { start: undefined }, 'missing_start'],
    ['a start that is no function', { start: 5 }, 'missing_start'],
    ['restart', { restart: 'always' }, 'invalid_restart_type'],
    ['shutdown word', { shutdown: 'soon' }, 'invalid_shutdown'],
    ['shutdown negative', { shutdown: -1 }, 'invalid_shutdown'],
    ['shutdown fraction', { shutdown: 1.5 }, 'invalid_shutdown'],
    ['shutdown Infinity', { shutdown: Number.POSITIVE_INFINITY }, 'invalid_shutdown'],
    ['type', { type: 'manager' }, 'invalid_child_type'],
    ['significant', { significant: 1 }, 'invalid_significant'],
    ['significant and never', { significant: true, restart: 'transient' }, 'bad_combination'],
    ['backoff', { backoff: { minMs: 5, maxMs: 1 } }, 'invalid_backoff'],
    ['startTimeoutMs', { startTimeoutMs: -1 }, 'invalid_start_timeout'],
    ['ready', { ready: true }, 'invalid_ready'],
  ];
  for (const [what, fields, code] of cases) {
    it(`${what}: ${code}, before anything starts`, async () => {
      let started = 0;
      const first = {
        ...child('first'),
        start: () => {
          started += 1;
          return worker();
        },
      };
      expect(await refusal(startSupervisor({ name: 'root', children: [first, wrong(fields)] }))).toBe(code);
      expect(started).toBe(0);
      const world = new World();
      const sup = await world.start({});
      expect(await refusal(sup.startChild(wrong(fields)))).toBe(code);
    });
  }

  it('a permanent significant child is a bad combination also with auto shutdown', async () => {
    const children = [wrong({ significant: true })];
    expect(await refusal(startSupervisor({ name: 'root', autoShutdown: 'any_significant', children }))).toBe(
      'bad_combination',
    );
  });

  it('an id that is there twice', async () => {
    expect(await refusal(startSupervisor({ name: 'root', children: [child('a'), child('a')] }))).toBe(
      'duplicate_child_name',
    );
  });

  it('nothing at all', async () => {
    const world = new World();
    const sup = await world.start({});
    expect(await refusal(sup.startChild(undefined as unknown as ChildSpec))).toBe('missing_id');
  });
});

describe('flags are refused with the word of OTP', () => {
  const cases: [object, string][] = [
    [{ strategy: 'one_for_two' }, 'invalid_strategy'],
    [{ strategy: 'simple_one_for_one' }, 'invalid_strategy'],
    [{ intensity: -1 }, 'invalid_intensity'],
    [{ intensity: 0.5 }, 'invalid_intensity'],
    [{ periodSeconds: 0 }, 'invalid_period'],
    [{ periodSeconds: 1.5 }, 'invalid_period'],
    [{ autoShutdown: 'always' }, 'invalid_auto_shutdown'],
    [{ backoff: { minMs: 1, maxMs: 2, jitter: 2 } }, 'invalid_backoff'],
  ];
  for (const [flags, code] of cases) {
    it(code, async () => {
      expect(await refusal(startSupervisor({ name: 'root', ...flags }))).toBe(code);
    });
  }

  it('a dynamic supervisor checks its own', async () => {
    const template = child('t');
    expect(await refusal(startDynamicSupervisor({ name: 'd', child: template, maxChildren: -1 }))).toBe(
      'invalid_max_children',
    );
    expect(await refusal(startDynamicSupervisor({ name: 'd', child: wrong({ restart: 1 }) }))).toBe(
      'invalid_restart_type',
    );
  });
});
