import { Client } from 'pg';
import { expect, onTestFinished, test, vi } from 'vitest';
import { RotaError } from '../../../src/kernel/error.ts';
import type { JobStore } from '../../../src/store/job-store.ts';
import { newJob, request } from '../../conformance/store/store-driver.ts';
import { freePort } from '../../support/free-port.ts';
import { openTestStore } from '../../support/postgres/enqueuer.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres/postgres-server.ts';
import { TcpGate } from '../../support/tcp-gate.ts';

/** A server that writes its log to disk only when a commit asks for it. */
const LAZY = { wal_writer_delay: '10s', bgwriter_delay: '10s', autovacuum: 'off' };

async function gateTo(server: PostgresServer): Promise<{ gate: TcpGate; url: string }> {
  const gate = new TcpGate(await freePort(), server.port);
  await gate.open();
  onTestFinished(() => gate.shut());
  const url = new URL(server.url);
  url.port = String(gate.port);
  return { gate, url: url.href };
}

async function admin<T>(server: PostgresServer, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: server.adminUrl });
  client.on('error', () => {});
  await client.connect();
  return work(client).finally(() => client.end().catch(() => {}));
}

/** Lets commits of inserts wait for whoever holds a lock, and holds it until the server ends. */
async function holdCommits(server: PostgresServer): Promise<void> {
  const client = new Client({ connectionString: server.adminUrl });
  client.on('error', () => {});
  await client.connect();
  await client.query(`create function rota.hold() returns trigger language plpgsql as
    'begin perform pg_advisory_xact_lock(77); return null; end'`);
  await client.query(`create constraint trigger hold after insert on rota.jobs deferrable initially deferred
    for each row execute function rota.hold()`);
  await client.query('select pg_advisory_lock(77)');
}

/** The transaction that waits in its commit. */
const waitingInCommit = (server: PostgresServer): Promise<number> =>
  admin(server, (client) =>
    vi.waitFor(
      async () => {
        const { rows } = await client.query<{ xid: string }>(`select backend_xid::text as xid from pg_stat_activity
          where query = 'commit' and wait_event_type = 'Lock'`);
        expect(rows).toHaveLength(1);
        return Number(rows[0]?.xid);
      },
      { timeout: 10_000 },
    ),
  );

/** Commits transactions of others until one of them has this number. */
const useUp = (server: PostgresServer, xid: number): Promise<void> =>
  admin(server, async (client) => {
    for (let last = 0; last < xid; ) {
      const { rows } = await client.query<{ xid: string }>('select pg_current_xact_id()::text as xid');
      last = Number(rows[0]?.xid);
      expect(last).toBeLessThanOrEqual(xid);
    }
  });

const states = async (store: JobStore, id: string): Promise<unknown> => {
  const [reply] = await store.perform([{ verb: 'states', ids: [id] }]);
  return reply?.ok ? reply.answer : reply;
};

/** Inserts a job; its commit is under way when the server is killed and comes back without it. */
async function commitLost(between: (server: PostgresServer, xid: number) => Promise<void>) {
  const server = await startPostgres({ fsync: false, settings: LAZY });
  onTestFinished(() => server.dispose());
  const { gate, url } = await gateTo(server);
  const store = await openTestStore(url);
  await holdCommits(server);
  const job = newJob();
  const reply = store.perform([request('insert', { jobs: [job] })]);
  reply.catch(() => {});
  const xid = await waitingInCommit(server);
  await gate.shut();
  await server.kill();
  await server.restart();
  await between(server, xid);
  await gate.open();
  return { store, job, reply };
}

test('takes the commit of another for its own never: the number of a lost transaction is given anew', async () => {
  const { store, job, reply } = await commitLost(useUp);
  await expect(reply).rejects.toSatisfy((error) => error instanceof RotaError && error.code === 'unavailable');
  expect(await states(store, job.id)).toEqual([]);
}, 30_000);

test('does again what a crash lost', async () => {
  const { store, job, reply } = await commitLost(async () => {});
  expect(await reply).toMatchObject([{ ok: true }]);
  expect(await states(store, job.id)).toHaveLength(1);
}, 30_000);
