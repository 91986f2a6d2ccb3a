import { expect, test } from 'vitest';
import type { Fleet } from '../support/fleet.ts';
import type { ChaosFault } from './chaos-faults.ts';
import { runChaos } from './chaos-run.ts';

const SEED = Number(process.env.ROTA_SEED ?? 7);
/** How soon jobs complete once the standby takes writes: sessions with a server that ended are over at once. */
const AFTER_KILL_MS = 10_000;
/** A server that froze is given up when nothing has come from it for 10 s; the lease and a rescue may follow. */
const AFTER_FREEZE_MS = 30_000;
const KILLED = 'kill -9 the primary, promote the standby';
const FROZEN = 'freeze the primary for good, promote the standby';

/** The standby takes over three times, from a primary that is killed, stopped and frozen. */
function failovers(fleet: Fleet): ChaosFault[] {
  const promote = (): Promise<void> => fleet.promoteStandby();
  const follow = {
    name: 'the former primary follows',
    forMs: 0,
    begin: async () => {},
    end: () => fleet.followAgain(),
  };
  return [
    { name: KILLED, forMs: 1_000, begin: () => fleet.postgres.kill(), end: promote },
    follow,
    {
      // Its URL names the standby first now.
      ...{ name: 'kill -9 a', forMs: 500 },
      begin: async () => void (await fleet.end('a', 'SIGKILL')),
      end: () => fleet.startAgain('a'),
    },
    { name: 'switch over', forMs: 0, begin: () => fleet.postgres.stop('fast'), end: promote },
    follow,
    { name: FROZEN, forMs: 1_000, begin: async () => fleet.postgres.freeze(), end: promote },
  ];
}

test('a fleet goes on by itself with a standby that is promoted, and loses nothing', async () => {
  const { broken, recoveries, acknowledged } = await runChaos({
    ...{ seed: SEED, forMs: 0, standby: true, afterwards: failovers },
  });
  for (const { fault, firstMs, drainedMs } of recoveries) {
    console.log(`${fault}: works ${firstMs} ms, drained ${drainedMs} ms later`);
  }
  expect(broken).toEqual([]);
  expect(acknowledged).toBeGreaterThan(50);
  const firstMsOf = (name: string): number | undefined =>
    recoveries.find(({ fault }) => fault.startsWith(name))?.firstMs;
  expect(firstMsOf(KILLED)).toBeLessThan(AFTER_KILL_MS);
  expect(firstMsOf(FROZEN)).toBeLessThan(AFTER_FREEZE_MS);
}, 240_000);
