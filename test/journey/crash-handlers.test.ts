import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PlainClient } from '../support/plain-client.ts';
import { RotaProcess } from '../support/rota-process.ts';

/** Pino's number for it. */
const WARNING = 40;

describe('a handler that misbehaves', () => {
  let rota: RotaProcess;
  let client: PlainClient;

  beforeAll(async () => {
    rota = await RotaProcess.make();
    await rota.start();
    client = await PlainClient.to(rota.url);
    await client.listen();
  });
  afterAll(async () => {
    await client?.close();
    await rota?.dispose();
  });

  const run = async (how: string) => client.ended(await client.enqueue('odd', { how }));

  test.each([
    ['undefined', /^undefined was thrown$/],
    ['null', /^null$/],
    ['text', /^a text$/],
    ['number', /^7$/],
    ['frozen', /frozen/],
    ['cyclic', /./],
    ['symbol', /odd/],
    ['hostile', /./],
    ['bare', /./],
    ['huge', /^x{1000}/],
    ['return-hostile', /unreadable/],
  ])('by what it throws (%s) is recorded', async (how, message) => {
    const job = await run(how);
    expect(job).toMatchObject({ state: 'discarded', errors: [{ kind: 'error', attempt: 1 }] });
    expect(job.errors[0]?.message).toMatch(message);
    expect(job.errors[0]?.message.length).toBeLessThanOrEqual(16 * 1024);
  });

  test('by a result that is no JSON loses the result alone', async () => {
    expect(await run('return-cyclic')).toMatchObject({ state: 'completed', result: null });
  });

  test('by a reason beyond every size holds nobody up', async () => {
    const huge = client.enqueue('odd', { how: 'cancel-huge' });
    const others = await Promise.all(Array.from({ length: 20 }, () => client.enqueue('work')));
    for (const id of others) expect(await client.ended(id)).toMatchObject({ state: 'completed' });
    expect(await client.ended(await huge)).toMatchObject({ state: 'cancelled' });
  });

  test('by a rejection that it leaves behind stops nothing', async () => {
    const { pid } = rota;
    expect(await run('stray')).toMatchObject({ state: 'completed', result: 'done' });
    expect(await client.ended(await client.enqueue('work'))).toMatchObject({ state: 'completed' });
    expect(rota.pid).toBe(pid);
    await rota.line((line) => JSON.stringify(line).includes('left behind'));
  });

  test('by taking too long is a failure at once, and its next attempt does not wait for it', async () => {
    const options = { queue: 'slow', timeout: 300, maxAttempts: 2 };
    const id = await client.enqueue('deaf', { ms: 6_000 }, options);
    const { errors } = await client.ended(id);
    expect(errors.map(({ attempt, kind }) => ({ attempt, kind }))).toEqual([
      { attempt: 1, kind: 'timeout' },
      { attempt: 2, kind: 'timeout' },
    ]);
    const notes = rota.notes().filter((note) => note.id === id);
    expect(notes.slice(0, 2).map(({ what }) => what)).toEqual(['start', 'start']);
  });

  test('by being deaf is reported, and keeps its slot until it returns', async () => {
    const from = rota.lines.length;
    const deaf = await client.enqueue('deaf', { ms: 3_000 }, { queue: 'single', timeout: 200, maxAttempts: 1 });
    const next = await client.enqueue('work', {}, { queue: 'single' });
    expect(await client.ended(deaf)).toMatchObject({ state: 'discarded' });
    expect((await client.get(next)).state).toBe('available');
    const report = await rota.line(({ level, job }) => level === WARNING && job === deaf, from);
    expect(report).toMatchObject({ job: deaf, type: 'deaf', msg: expect.stringMatching(/deaf.*keeps its slot/) });
    expect(await client.ended(next)).toMatchObject({ state: 'completed' });
    const order = rota.notes().filter(({ id }) => id === deaf || id === next);
    expect(order.map(({ what, id }) => `${what} ${id}`)).toEqual([
      ...[`start ${deaf}`, `end ${deaf}`, `start ${next}`, `end ${next}`],
    ]);
  });
});
