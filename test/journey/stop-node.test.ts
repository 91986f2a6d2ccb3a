import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Load, seeded } from '../support/load.ts';
import { PlainClient } from '../support/plain-client.ts';
import { isAlive, RotaProcess } from '../support/rota-process.ts';

async function world(): Promise<{ rota: RotaProcess; client: PlainClient }> {
  const rota = await RotaProcess.make();
  onTestFinished(() => rota.dispose());
  await rota.start();
  const client = await PlainClient.to(rota.url);
  onTestFinished(() => client.close());
  await client.listen();
  return { rota, client };
}

interface Row {
  id: string;
  state: string;
  attempt: number;
  result: string | null;
  errors: string | null;
}

/** What the store of a stopped node holds. */
function rowsOf({ folder }: RotaProcess): Map<string, Row> {
  const db = new DatabaseSync(join(folder, 'rota.db'), { readOnly: true });
  const rows = db.prepare('select id, state, attempt, result, errors from jobs').all() as unknown as Row[];
  db.close();
  return new Map(rows.map((row) => [row.id, row]));
}

const started = (client: PlainClient, id: string) =>
  client.event(({ type, subject }) => type === 'jobs.job.started' && subject === id);

describe('SIGTERM', () => {
  test('lets short jobs finish, aborts long ones, hands deaf ones back, and exits with 0', async () => {
    const { rota, client } = await world();
    const slow = (type: string, args: object) => client.enqueue(type, args, { queue: 'slow' });
    const short = await slow('slow', { ms: 600 });
    const returns = await slow('polite', {});
    const throws = await slow('polite', { how: 'throw' });
    const snoozes = await slow('polite', { how: 'snooze' });
    const deaf = await slow('deaf', { ms: 60_000 });
    const all = [short, returns, throws, snoozes, deaf];
    for (const id of all) await started(client, id);
    const nats = rota.natsPid;
    const askedMs = performance.now();
    rota.signal('SIGTERM');
    await client.event(({ type }) => type === 'jobs.node.stopping');
    await client.event(({ type }) => type === 'jobs.node.stopped');
    expect(await rota.exited).toEqual({ code: 0, signal: null });
    expect(performance.now() - askedMs).toBeLessThan(6_000);
    expect(isAlive(nats)).toBe(false);

    const rows = rowsOf(rota);
    expect([...rows.values()].filter(({ state }) => state === 'executing')).toEqual([]);
    expect(rows.get(short)).toMatchObject({ state: 'completed', attempt: 1 });
    expect(rows.get(returns)).toMatchObject({ state: 'completed', attempt: 1, result: '"put away in time"' });
    expect(rows.get(throws)).toMatchObject({ state: 'available', attempt: 0, errors: null });
    expect(rows.get(snoozes)).toMatchObject({ state: 'scheduled', attempt: 0 });
    expect(rows.get(deaf)).toMatchObject({ state: 'available', attempt: 0, errors: null });
    const aborted = rota.notes().filter(({ what }) => what === 'abort:stopping');
    expect(aborted.map(({ id }) => id).sort()).toEqual([returns, throws, snoozes].sort());
  });

  test('a second one exits with 1 at once, and the next start finds everything', async () => {
    const { rota, client } = await world();
    const deaf = await client.enqueue('deaf', { ms: 30_000 }, { queue: 'slow' });
    await started(client, deaf);
    const nats = rota.natsPid;
    rota.signal('SIGTERM');
    await client.event(({ type }) => type === 'jobs.node.stopping');
    const askedMs = performance.now();
    // One more SIGTERM right after is taken for the same one, sent to a whole group.
    rota.signal('SIGINT');
    expect(await rota.exited).toEqual({ code: 1, signal: null });
    expect(performance.now() - askedMs).toBeLessThan(800);
    expect(isAlive(nats)).toBe(false);
    await rota.start();
    await rota.noted((notes) => notes.some(({ id, run }) => id === deaf && run === 2));
  });

  test('under load leaves nothing executing and nothing lost, without waiting for a claim', async () => {
    const { rota, client } = await world();
    const acknowledged: string[] = [];
    for (const seed of [1, 2, 3]) {
      const load = new Load(client, seeded(seed));
      await load.more(50);
      const askedMs = performance.now();
      rota.signal('SIGTERM');
      expect(await rota.exited).toEqual({ code: 0, signal: null });
      expect(performance.now() - askedMs).toBeLessThan(4_000);
      const rows = rowsOf(rota);
      expect([...rows.values()].filter(({ state }) => state === 'executing')).toEqual([]);
      for (const id of load.acknowledged) expect(rows.has(id)).toBe(true);
      acknowledged.push(...load.acknowledged);
      await rota.start();
      await load.stop();
    }
    for (const id of acknowledged) expect((await client.ended(id)).state).toMatch(/completed|discarded/);
    const runs = rota.notes().filter(({ what }) => what === 'start');
    expect(new Set(runs.map(({ id, run }) => `${id} ${run}`)).size).toBe(runs.length);
  });

  test('of an idle node takes no time', async () => {
    const { rota } = await world();
    const askedMs = performance.now();
    rota.signal('SIGTERM');
    expect(await rota.exited).toEqual({ code: 0, signal: null });
    expect(performance.now() - askedMs).toBeLessThan(1_500);
  });
});

describe('a start that cannot be', () => {
  test('names every mistake of the config with its place', async () => {
    const rota = await RotaProcess.make({ config: new URL('../support/bad-config.ts', import.meta.url).pathname });
    onTestFinished(() => rota.dispose());
    await expect(rota.start()).rejects.toThrow();
    expect((await rota.exited).code).toBe(1);
    const told = [...rota.stray, ...rota.lines.map((line) => JSON.stringify(line))].join('\n');
    for (const place of [
      'timezone',
      'queues.bad name',
      'queues.negative',
      'jobs.0',
      'schedules.never.spec.cron',
      'whatever',
    ]) {
      expect(told).toContain(place);
    }
  });

  test('of a second node on one data folder says who owns it', async () => {
    const { rota } = await world();
    const second = await RotaProcess.make({ env: { ROTA_DATA: rota.folder } });
    onTestFinished(() => second.dispose());
    await expect(second.start()).rejects.toThrow();
    expect((await second.exited).code).toBe(1);
    expect([...second.stray, ...second.lines.map(({ msg }) => msg)].join('\n')).toContain(`process ${rota.pid}`);
    expect(rota.running).toBe(true);
    expect(readFileSync(join(rota.folder, 'rota.lock'), 'utf8')).toContain(String(rota.pid));
  });
});
