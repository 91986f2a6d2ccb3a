import { describe, expect, onTestFinished, test } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { allEnded, Load, seeded, states } from '../support/load.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { PlainClient } from '../support/plain-client.ts';
import { isAlive, RotaProcess } from '../support/rota-process.ts';
import { TcpGate } from '../support/tcp-gate.ts';

const seeds = process.env.ROTA_SEED
  ? [Number(process.env.ROTA_SEED)]
  : Array.from({ length: 2 }, () => Math.floor(Math.random() * 2 ** 31));

const EVERY_STATE = ['available', 'scheduled', 'executing', 'retryable', 'completed', 'discarded'];

async function world(): Promise<{ rota: RotaProcess; client: PlainClient }> {
  const rota = await RotaProcess.make();
  onTestFinished(() => rota.dispose());
  await rota.start();
  const client = await PlainClient.to(rota.url);
  onTestFinished(() => client.close());
  await client.listen();
  return { rota, client };
}

/** What must be true of jobs that were acknowledged, whatever crashed meanwhile. */
async function checkJobs({ rota, client }: { rota: RotaProcess; client: PlainClient }, ids: readonly string[]) {
  const jobs = await allEnded(client, ids);
  const notes = rota.notes();
  const starts = notes.filter(({ what }) => what === 'start').map(({ id, run }) => `${id} ${run}`);
  expect(new Set(starts).size, 'no run is started twice').toBe(starts.length);
  const byJob = Map.groupBy(notes, ({ id }) => id);
  for (const { id, type, state, result } of jobs) {
    expect(state).toBe(type === 'odd' ? 'discarded' : 'completed');
    if (type === 'odd') continue;
    const { run } = result as { run: number };
    const mine = byJob.get(id) ?? [];
    expect(mine.filter((note) => note.what === 'end' && note.run === run)).toHaveLength(1);
    expect(
      mine.filter((note) => note.run > run),
      'a completed job never starts again',
    ).toEqual([]);
  }
}

/** Every end was told at least once, always with the same id. */
async function checkEnds(client: PlainClient, ids: readonly string[]): Promise<void> {
  await client.endsTold(ids);
  for (const [job, events] of client.ends) expect(events.size, `one event id of ${job}`).toBe(1);
}

describe('kill -9 of the whole node', () => {
  test.each(seeds)('with jobs in every state loses nothing and repeats nothing (ROTA_SEED=%i)', async (seed) => {
    const { rota, client } = await world();
    const random = seeded(seed);
    const load = new Load(client, random);
    for (;;) {
      await load.more(20);
      const counts = await states(client);
      if (EVERY_STATE.every((state) => (counts[state] ?? 0) > 0)) break;
    }
    await load.more(Math.floor(random() * 60));
    const orphan = rota.natsPid;
    await rota.kill();
    const completedBefore = client.told('completed');
    const notedBefore = rota.notes().length;
    expect(isAlive(orphan)).toBe(true);

    const from = rota.lines.length;
    await rota.start();
    await rota.line(({ msg }) => msg.includes('left behind'), from);
    expect(isAlive(orphan)).toBe(false);
    await load.more(20);
    await load.stop();
    await checkJobs({ rota, client }, load.acknowledged);
    await checkEnds(client, load.acknowledged);
    const startedAgain = rota
      .notes()
      .slice(notedBefore)
      .filter(({ what, id }) => what === 'start' && completedBefore.has(id));
    expect(startedAgain).toEqual([]);
  });

  test('twice in a row, the second time while it starts, is survived as well', async () => {
    const { rota, client } = await world();
    const load = new Load(client, seeded(7));
    await load.more(60);
    await rota.kill();
    await rota.launch('child-started');
    await rota.kill();
    await rota.start();
    await load.more(20);
    await load.stop();
    await checkJobs({ rota, client }, load.acknowledged);
    await checkEnds(client, load.acknowledged);
  });
});

describe('kill -9 of the nats-server child under load', () => {
  test('is healed: handlers go on, all resumes, the events say what happened', async () => {
    const { rota, client } = await world();
    const load = new Load(client, seeded(11));
    await load.more(40);
    const long = await client.enqueue('slow', { ms: 1_500 }, { queue: 'slow', priority: 'critical' });
    await client.event(({ type, subject }) => type === 'jobs.job.started' && subject === long);
    for (let life = 1; life <= 3; life += 1) {
      const killed = rota.natsPid;
      const from = rota.lines.length;
      process.kill(killed, 'SIGKILL');
      await rota.line(({ msg, id }) => msg === 'child-restarted' && id === 'nats-server', from);
      expect(rota.natsPid).not.toBe(killed);
      await load.more(20);
    }
    for (const what of ['child-exited', 'child-restarted']) {
      await client.event(({ type, subject }) => type === `jobs.supervisor.${what}` && subject === 'rota/nats-server');
    }
    await load.stop();
    await checkJobs({ rota, client }, [...load.acknowledged, long]);
    await checkEnds(client, [...load.acknowledged, long]);
    expect(
      rota
        .notes()
        .filter(({ id }) => id === long)
        .map(({ what }) => what),
    ).toEqual(['start', 'end']);
    expect(rota.running).toBe(true);
  });
});

describe('NATS on a server of its own', () => {
  /** A node that reaches its server only through a gate, and a program that reaches it always. */
  async function gated(): Promise<{ rota: RotaProcess; gate: TcpGate; client: PlainClient }> {
    const server = await startNatsServer();
    onTestFinished(() => server.dispose());
    const gate = new TcpGate(await freePort(), server.port);
    onTestFinished(() => gate.shut());
    const rota = await RotaProcess.make({ nats: gate.url });
    onTestFinished(() => rota.dispose());
    const client = await PlainClient.to(server.url);
    onTestFinished(() => client.close());
    await client.listen();
    return { rota, gate, client };
  }

  test('may be away at the start: the node works on its own schedules and connects when it comes', async () => {
    const { rota, gate, client } = await gated();
    await rota.start();
    const from = rota.notes().length;
    await rota.noted((notes) => notes.length >= from + 4);
    await gate.open();
    const id = await client.enqueue('work');
    expect(await client.ended(id)).toMatchObject({ state: 'completed' });
    const ran = new Set(rota.notes().map((note) => note.id));
    await client.endsTold([...ran]);
    await client.event(({ type }) => type === 'jobs.node.started');
  });

  test('may go away in the middle: handlers go on, all resumes, and every end is told', async () => {
    const { rota, gate, client } = await gated();
    await gate.open();
    await rota.start();
    const load = new Load(client, seeded(5));
    for (let outage = 0; outage < 2; outage += 1) {
      await load.more(60);
      const done = rota.notes().length;
      await gate.shut();
      await rota.noted((notes) => notes.length >= done + 4);
      await gate.open();
    }
    await load.more(20);
    await load.stop();
    await checkJobs({ rota, client }, load.acknowledged);
    await checkEnds(client, load.acknowledged);
  });
});
