import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CONTROL_VERBS } from '../../src/actors/intake/control-desk.ts';
import { defineJob } from '../../src/index.ts';
import { JOB_VERBS } from '../../src/messaging/contract/job-requests.ts';
import { WORK_VERBS } from '../../src/messaging/subjects.ts';
import { publish } from '../support/intake-publisher.ts';
import { type RotaNode, startRotaNode, until } from '../support/rota-node.ts';

// The types of ADR-32, written down here a second time on purpose: tools in other languages know nothing of ours.
interface Identity {
  name: string;
  id: string;
  version: string;
  metadata: Record<string, string>;
  type: string;
}
interface EndpointInfo {
  name: string;
  subject: string;
  queue_group: string;
  metadata: Record<string, string>;
}
interface EndpointStats {
  name: string;
  subject: string;
  queue_group: string;
  num_requests: number;
  num_errors: number;
  last_error: string;
  processing_time: number;
  average_processing_time: number;
}
type Info = Identity & { description: string; endpoints: EndpointInfo[] };
type Stats = Identity & { started: string; endpoints: EndpointStats[] };

const SEMVER = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;
const NAME = /^[A-Za-z0-9_-]+$/;
const work = defineJob({ type: 'work', run: async () => {} });

let whole: RotaNode;
let helper: RotaNode;
beforeAll(async () => {
  whole = await startRotaNode({ queues: { default: 2 }, jobs: [work] }, { node: 'whole' });
  const config = { queues: { default: 2 }, jobs: [work] };
  helper = await startRotaNode(config, { node: 'helper', roles: 'queues', nats: whole.url });
});
afterAll(async () => {
  await helper.stop();
  await whole.stop();
});

/** Asks as `nats service` does: everybody who answers within a while, here until as many have as there should be. */
async function gather<T extends Identity>(nats: NatsConnection, subject: string, count: number): Promise<T[]> {
  const replies = await nats.requestMany(subject, '', { strategy: 'count', maxMessages: count, maxWait: 3_000 });
  const found: T[] = [];
  for await (const reply of replies) found.push(reply.json<T>());
  return found.sort((a, b) => (a.metadata.node ?? '').localeCompare(b.metadata.node ?? ''));
}

const statsOf = async (name: string): Promise<EndpointStats> => {
  const [stats] = await gather<Stats>(whole.nats, `$SRV.STATS.rota.${await idOf('whole')}`, 1);
  const found = stats?.endpoints.find((endpoint) => endpoint.name === name);
  if (found === undefined) throw new Error(`no endpoint ${name}`);
  return found;
};
const idOf = async (node: string): Promise<string> =>
  (await gather<Identity>(whole.nats, '$SRV.PING', 2)).find(({ metadata }) => metadata.node === node)?.id ?? '';

describe('the NATS service protocol', () => {
  test.each(['PING', 'INFO', 'STATS'])('%s is answered by every node, by name and by id', async (verb) => {
    const type = `io.nats.micro.v1.${verb.toLowerCase()}_response`;
    for (const subject of [`$SRV.${verb}`, `$SRV.${verb}.rota`]) {
      const all = await gather(whole.nats, subject, 2);
      expect(all.map(({ metadata }) => metadata.node)).toEqual(['helper', 'whole']);
      for (const answer of all) {
        expect(answer).toMatchObject({ name: 'rota', type, version: expect.stringMatching(SEMVER) });
        expect(Object.values(answer.metadata).every((value) => typeof value === 'string')).toBe(true);
      }
      expect(new Set(all.map(({ id }) => id)).size).toBe(2);
    }
    const id = await idOf('helper');
    const [one] = await gather(whole.nats, `$SRV.${verb}.rota.${id}`, 1);
    expect(one).toMatchObject({ id, type, metadata: { node: 'helper', roles: 'queues', prefix: 'jobs' } });
    await expect(whole.nats.request(`$SRV.${verb}.other`, '', { timeout: 500 })).rejects.toThrow();
  });

  test('INFO names every endpoint that a node serves, with its queue group', async () => {
    const [helperInfo, wholeInfo] = await gather<Info>(whole.nats, '$SRV.INFO', 2);
    expect(helperInfo?.endpoints).toEqual([]);
    const { endpoints = [], description } = wholeInfo ?? {};
    expect(description).toEqual(expect.any(String));
    for (const endpoint of endpoints) {
      expect(endpoint.name).toMatch(NAME);
      expect(Object.keys(endpoint).sort()).toEqual(['metadata', 'name', 'queue_group', 'subject']);
    }
    expect(new Set(endpoints.map(({ name }) => name)).size).toBe(endpoints.length);
    const groups = new Map(endpoints.map(({ subject, queue_group }) => [subject, queue_group]));
    const schedule = ['list', 'get', 'put', 'delete', 'pause', 'resume', 'run', 'preview'];
    const queue = ['list', 'pause', 'resume', 'scale', 'limit', 'purge'];
    const expected = new Map([
      ['jobs.enqueue.*', 'rota'],
      ['jobs.intake.*', ''],
      ...WORK_VERBS.map((verb): [string, string] => [`jobs.work.*.${verb}`, 'rota-store']),
      ...JOB_VERBS.map((verb): [string, string] => [`jobs.job.${verb}`, 'rota']),
      ...schedule.map((verb): [string, string] => [`jobs.ctl.schedule.${verb}`, 'rota']),
      ...queue.map((verb): [string, string] => [`jobs.ctl.queue.${verb}`, 'rota']),
      ...CONTROL_VERBS.map((verb): [string, string] => [`jobs.ctl.${verb}`, 'rota']),
    ]);
    expect(new Map([...groups].sort())).toEqual(new Map([...expected].sort()));
  });

  test('STATS counts requests, errors and time where they are served', async () => {
    const before = await statsOf('enqueue');
    await whole.ask('jobs.enqueue.default', { type: 'work' });
    await whole.ask('jobs.enqueue.default', { type: 'work' });
    expect((await whole.request('jobs.enqueue.default', { type: 'nothing' })).code).toBe('unknown_type');
    const after = await statsOf('enqueue');
    expect(after).toMatchObject({ num_requests: before.num_requests + 3, num_errors: before.num_errors + 1 });
    expect(after.last_error).toMatch(/^400:.*nothing/);
    expect(after.processing_time).toBeGreaterThan(before.processing_time);
    expect(after.average_processing_time).toBe(Math.round(after.processing_time / after.num_requests));
    expect(Number.isInteger(after.processing_time)).toBe(true);
    expect((await statsOf('ctl-node-list')).num_requests).toBe(0);
    await whole.ask('jobs.ctl.node.list');
    expect((await statsOf('ctl-node-list')).num_requests).toBe(1);
    expect((await statsOf('work-claim')).num_requests).toBeGreaterThan(0);
    const { num_errors: errors } = await statsOf('work-settle');
    await whole.request('jobs.work.default.settle', { worker: 'no uuid', outcomes: [] });
    expect((await statsOf('work-settle')).num_errors).toBe(errors + 1);
  });

  test('STATS counts the messages of the intake too', async () => {
    await publish(whole.nats, 'default', { type: 'work' });
    await publish(whole.nats, 'default', { type: 'nothing' });
    expect(
      await until(
        () => statsOf('intake'),
        (stats) => stats.num_requests === 2,
      ),
    ).toMatchObject({ num_errors: 1, last_error: expect.stringContaining('nothing') });
  });

  test('a request to an unknown verb makes no new endpoint', async () => {
    expect((await whole.request('jobs.job.nonsense', {})).status).toBe(400);
    const [stats] = await gather<Stats>(whole.nats, `$SRV.STATS.rota.${await idOf('whole')}`, 1);
    expect(stats?.started).toMatch(/^\d{4}-\d\d-\d\dT/);
    expect(stats?.endpoints.some(({ name }) => name.includes('nonsense'))).toBe(false);
  });
});
