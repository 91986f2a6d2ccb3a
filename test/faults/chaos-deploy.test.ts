import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Fleet } from '../support/fleet.ts';
import { allEnded, Load, seeded } from '../support/load.ts';
import { everyJob } from './chaos-history.ts';

const config = fileURLToPath(new URL('./chaos-versions-config.ts', import.meta.url));

test('a rolling restart with other types of jobs loses nothing', async () => {
  await using fleet = await Fleet.make();
  const start = (name: string, version: string): Promise<unknown> =>
    fleet.start(name, { config, env: { ROTA_TEST_VERSION: version } });
  await Promise.all([start('one', 'former'), start('two', 'former')]);

  // From the first later node on, to the last former one, both versions' jobs are asked for.
  const kinds = new Map<string, string>();
  let types = ['former', 'both'];
  const load = new Load(fleet.client, seeded(1), {
    pauseMs: 10,
    one: async (client, random) => {
      const type = types[Math.floor(random() * types.length)] ?? 'both';
      const id = await client.enqueue(type);
      kinds.set(id, type);
      return id;
    },
  });
  await load.more(30);
  await start('three', 'later');
  types = ['former', 'both', 'later'];
  await load.more(30);
  expect(await fleet.end('one', 'SIGTERM')).toEqual({ code: 0, signal: null });
  await load.more(30);
  types = ['both', 'later'];
  await start('four', 'later');
  // What only the former version runs has to be done before the last of it goes.
  await allEnded(
    fleet.client,
    [...kinds].filter(([, type]) => type === 'former').map(([id]) => id),
  );
  expect(await fleet.end('two', 'SIGTERM')).toEqual({ code: 0, signal: null });
  await load.more(30);
  for (let [seen, next] = [0, 0]; seen < 4; seen += 1) {
    const fired = await fleet.client.event(({ type }) => type === 'jobs.schedule.fired', next);
    next = fleet.client.events.indexOf(fired) + 1;
  }
  await load.stop();

  const jobs = await allEnded(fleet.client, load.acknowledged);
  expect(jobs.filter(({ state, attempt }) => state !== 'completed' || attempt !== 1)).toEqual([]);
  for (const { type, result } of jobs) if (type !== 'both') expect(result).toBe(type);
  const starts = fleet.notes().filter(({ what }) => what === 'start');
  expect(new Set(starts.map(({ id }) => id)).size).toBe(starts.length);
  const ticks = (await everyJob(fleet.client)).flatMap(({ schedule }) => (schedule === null ? [] : [schedule.at]));
  expect(new Set(ticks).size).toBe(ticks.length);
  expect(ticks.length).toBeGreaterThan(3);
  expect(fleet.strayExits).toEqual([]);
});
