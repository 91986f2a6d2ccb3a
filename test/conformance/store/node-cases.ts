import { expect, it } from 'vitest';
import type { NodeRecord } from '../../../src/store/job-store.ts';
import type { StoreSuite } from './store-conformance.ts';
import { laterJob, newJob, T0 } from './store-driver.ts';

const DAY_MS = 86_400_000;

const nodeRecord = (part: Partial<NodeRecord> = {}): NodeRecord => ({
  node: 'node-a',
  instance: 'one',
  version: '0.1.0',
  roles: ['queues'],
  startedAt: T0,
  seenAt: T0,
  queues: [{ name: 'default', limit: 10, runs: true }],
  types: [{ type: 'a.b', queue: 'default', hasSchema: true, runs: true, schema: { type: 'object' } }],
  refused: { not_owner: 1, not_executing: 2, not_found: 3 },
  ...part,
});

/** The registry of nodes, and who leads. */
export function nodeCases({ driver, reopen }: StoreSuite): void {
  const register = (node: NodeRecord, now = node.seenAt) =>
    driver().do('registerNode', { now, deadBefore: now - 30_000, node });
  const nodes = (seenAfter = 0) => driver().do('nodes', { seenAfter });
  const lead = (node: string, now: number, instance = 'one') =>
    driver().do('lead', { now, node, instance, leaseMs: 10_000 });

  it("keeps a node's record and takes newer ones", async () => {
    const node = nodeRecord();
    expect(await register(node)).toEqual({ taken: false });
    expect(await nodes()).toEqual([node]);
    const newer = { ...node, seenAt: T0 + 5, refused: { not_owner: 9, not_executing: 2, not_found: 3 } };
    expect(await register(newer)).toEqual({ taken: false });
    expect(await nodes()).toEqual([newer]);
    expect(await nodes(T0 + 5)).toEqual([]);
  });

  it('tells the types of jobs that wait, and no others', async () => {
    await driver().insert(
      newJob({ type: 'here' }),
      newJob({ type: 'here' }),
      laterJob(T0 + 60_000, { type: 'later', queue: 'q' }),
    );
    await driver().running({ type: 'running', queue: 'busy' });
    expect(await driver().do('waitingTypes', { limit: 100 })).toEqual([
      { type: 'here', queue: 'default' },
      { type: 'later', queue: 'q' },
    ]);
    expect(await driver().do('waitingTypes', { limit: 1 })).toHaveLength(2);
  });

  it('refuses a name that a living node of another instance has', async () => {
    await register(nodeRecord());
    expect(await register(nodeRecord({ instance: 'two', seenAt: T0 + 29_999 }))).toEqual({ taken: true });
    expect((await nodes())[0]?.instance).toBe('one');
    expect(await register(nodeRecord({ instance: 'two', seenAt: T0 + 30_000 }))).toEqual({ taken: false });
    expect((await nodes())[0]?.instance).toBe('two');
  });

  it('removes a node that stopped, and not its successor', async () => {
    await register(nodeRecord({ instance: 'two' }));
    await driver().do('removeNode', { node: 'node-a', instance: 'one' });
    expect(await nodes()).toHaveLength(1);
    await driver().do('removeNode', { node: 'node-a', instance: 'two' });
    expect(await nodes()).toEqual([]);
  });

  it('forgets nodes and workers that were not seen for a day, but none that has work', async () => {
    await register(nodeRecord());
    await register(nodeRecord({ node: 'node-b', seenAt: T0 + 1_000 }));
    await driver().running({}, { now: T0 });
    const keepMs = { completed: 0, cancelled: 0, discarded: 0 };
    await driver().do('prune', { now: T0 + DAY_MS + 1, keepMs, limit: 10 });
    expect((await nodes()).map(({ node }) => node)).toEqual(['node-b']);
    const rescue = { now: T0 + 2 * DAY_MS, deadBefore: T0 + DAY_MS, limit: 10 };
    expect((await driver().do('rescue', rescue)).rescued).toBe(1);
  });

  it('has one leader, whose term rises with each change and never on renewal', async () => {
    expect(await driver().do('leader', {})).toBeNull();
    const first = { node: 'node-a', instance: 'one', term: 1, until: T0 + 10_000 };
    expect(await lead('node-a', T0)).toEqual(first);
    expect(await lead('node-b', T0 + 9_999)).toEqual(first);
    expect(await lead('node-a', T0 + 9_999, 'two')).toEqual(first);
    expect(await lead('node-a', T0 + 5_000)).toEqual({ ...first, until: T0 + 15_000 });
    expect(await lead('node-b', T0 + 15_000)).toMatchObject({ node: 'node-b', term: 2, until: T0 + 25_000 });
    expect(await lead('node-a', T0 + 16_000)).toMatchObject({ node: 'node-b', term: 2 });
    expect(await lead('node-b', T0 + 99_000)).toMatchObject({ node: 'node-b', term: 2, until: T0 + 109_000 });
    expect(await driver().do('leader', {})).toMatchObject({ node: 'node-b', term: 2 });
  });

  it('lets a leader resign, and nobody else for it; the next term is higher', async () => {
    await lead('node-a', T0);
    await driver().do('resign', { now: T0, node: 'node-b', instance: 'one' });
    expect(await driver().do('leader', {})).toMatchObject({ node: 'node-a' });
    await driver().do('resign', { now: T0, node: 'node-a', instance: 'one' });
    expect(await driver().do('leader', {})).toBeNull();
    if (driver().store.capabilities.durable) await reopen();
    expect(await lead('node-a', T0 + 1)).toMatchObject({ node: 'node-a', term: 2 });
  });
}
