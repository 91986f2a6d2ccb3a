import { describe, expect, it } from 'vitest';
import { defineScheduler, type SchedulerConfig } from '../../../src/app/configuration.ts';
import { defineJob } from '../../../src/job/definition.ts';
import { MemoryBroker } from '../../../src/messaging/memory/memory-broker.ts';
import { every } from '../../../src/scheduler/schedule-entry.ts';
import { openSqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { LogBook } from '../../../src/testing/log-book.ts';
import { seededRandom } from '../../../src/testing/seeded-random.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { startVirtualNode, type VirtualNode } from '../../../src/testing/virtual-node.ts';

/** Nodes of one process: one clock, one broker, one seed. */
function fleet(seed: number) {
  const clock = new VirtualClock();
  const random = seededRandom(seed);
  const broker = new MemoryBroker({ clock, random });
  const openStore = () => openSqliteStore({ path: ':memory:', random });
  const log = new LogBook();
  const start = async (config: SchedulerConfig, settings: Record<string, unknown> = {}): Promise<VirtualNode> => {
    const starting = startVirtualNode(config, { clock, random, broker, openStore, log, settings });
    await clock.advance(1_000);
    return starting;
  };
  const stop = async ({ rota }: VirtualNode): Promise<void> => {
    const stopping = rota.stop();
    await clock.advance(20_000);
    return stopping;
  };
  return { clock, broker, log, start, stop };
}

describe('a virtual node', () => {
  const ran: string[] = [];
  const tick = defineJob({ type: 'tick', run: ({ job }) => void ran.push(job.id) });
  const config = defineScheduler({ queues: { default: 5 }, schedules: { tick: every('2s', tick) } });

  it('runs by the settings of a real one, second by second, and leaves no timer behind', async () => {
    const { clock, start, stop } = fleet(1);
    ran.length = 0;
    const node = await start(config);
    await clock.advance(60_000);
    expect(ran).toHaveLength(30);
    expect(node.rota.tree()).toMatchObject({ status: 'running' });
    expect(JSON.stringify(node.rota.tree())).not.toContain('restarting');
    await stop(node);
    expect(clock.pending).toBe(0);
    expect(process.getActiveResourcesInfo()).not.toContain('Immediate');
  });

  it('replays from its seed', async () => {
    const story = async (seed: number): Promise<string[]> => {
      const { clock, log, start, stop } = fleet(seed);
      ran.length = 0;
      const node = await start(config);
      await clock.advance(30_000);
      await stop(node);
      return [...ran, ...log.lines.map((line) => JSON.stringify(line))];
    };
    const [one, same, other] = [await story(1), await story(1), await story(2)];
    expect(same).toEqual(one);
    expect(other).not.toEqual(one);
  });

  it('works beside another in one process, which needs no store of its own', async () => {
    const { clock, broker, start, stop } = fleet(3);
    ran.length = 0;
    const home = await start(config, { node: 'home', roles: 'store,intake,scheduler' });
    const worker = await start(config, { node: 'worker', roles: 'queues' });
    await clock.advance(10_000);
    expect(ran.length).toBeGreaterThanOrEqual(4);
    const { jobs } = await home.rota.client.list({ state: 'completed' });
    expect(jobs[0]?.attemptedBy).toMatchObject({ node: 'worker' });

    const before = ran.length;
    broker.partition('worker');
    await clock.advance(10_000);
    expect(ran).toHaveLength(before);
    broker.heal('worker');
    await clock.advance(30_000);
    expect(ran.length).toBeGreaterThanOrEqual(before + 15);
    expect(new Set(ran).size).toBe(ran.length);
    await stop(worker);
    await stop(home);
    expect(clock.pending).toBe(0);
  });
});
