import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { devNull, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { ClaimedJob } from '../../../src/job/job.ts';
import { systemRandom } from '../../../src/kernel/identity.ts';
import type { BegunAnswer, JobStore, StoreReply, StoreRequest } from '../../../src/store/job-store.ts';
import { openSqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { newJob, request, StoreDriver, T0 } from '../../conformance/store/store-driver.ts';
import { type Dice, diceOf } from '../../support/dice.ts';

const ioFault = Object.assign(new Error('i/o error'), { code: 'EIO' });

/** The files of a database. */
const PARTS = ['', '-wal'];

/** A machine whose disk has what was synced; what was only written is lost with the power. */
class Machine {
  readonly #folder = mkdtempSync(join(tmpdir(), 'rota-power-'));
  readonly #path = join(this.#folder, 'store.db');
  /** What the disk has of each file. */
  #disk = new Map<string, Buffer>();
  store: JobStore;
  syncFails = false;
  syncs = 0;
  /** What the stores said when they were so. */
  readonly broken: unknown[] = [];

  constructor() {
    onTestFinished(async () => {
      await this.store.close();
      rmSync(this.#folder, { recursive: true });
    });
    this.store = this.#open();
    this.#sync();
  }

  get logBytes(): number {
    return statSync(`${this.#path}-wal`).size;
  }

  /** When the log was written last, in seconds; 1: not since the power came back. */
  get logWrittenAt(): number {
    return statSync(`${this.#path}-wal`).mtimeMs / 1_000;
  }

  /** What is written, whether it is on the disk or not; of one file where that is said. */
  written(parts: readonly string[] = PARTS): unknown {
    return this.#rowsOf((part, to) => {
      if (parts.includes(part) && existsSync(this.#path + part)) copyFileSync(this.#path + part, to);
    });
  }

  /** What the disk has, of one file where that is said. */
  onDisk(parts: readonly string[] = PARTS): unknown {
    return this.#rowsOf((part, to) => {
      const bytes = this.#disk.get(part);
      if (bytes !== undefined && parts.includes(part)) writeFileSync(to, bytes);
    });
  }

  async restart(): Promise<void> {
    await this.store.close();
    this.#sync();
    this.store = this.#open();
  }

  /** The power comes back: the store is opened with what the disk had when it went. */
  async powerUp(disk: ReadonlyMap<string, Buffer>): Promise<void> {
    await this.store.close();
    for (const part of PARTS) rmSync(this.#path + part, { force: true });
    for (const [part, bytes] of disk) {
      writeFileSync(this.#path + part, bytes);
      utimesSync(this.#path + part, 1, 1);
    }
    this.#disk = new Map(disk);
    this.store = this.#open();
  }

  get disk(): ReadonlyMap<string, Buffer> {
    return new Map(this.#disk);
  }

  #open(): JobStore {
    const syncFile = (): void => {
      this.syncs += 1;
      if (this.syncFails) throw ioFault;
      this.#sync();
    };
    const onBroken = (error: unknown): void => void this.broken.push(error);
    return openSqliteStore({ path: this.#path, random: systemRandom, syncFile, onBroken });
  }

  #sync(): void {
    const there = PARTS.filter((part) => existsSync(this.#path + part));
    this.#disk = new Map(there.map((part) => [part, readFileSync(this.#path + part)]));
  }

  #rowsOf(copy: (part: string, to: string) => void): unknown {
    const folder = mkdtempSync(join(this.#folder, 'copy-'));
    const path = join(folder, 'store.db');
    for (const part of PARTS) copy(part, path + part);
    const db = new DatabaseSync(path);
    const tables = db.prepare(`select name from sqlite_master where type = 'table' order by name`).all();
    const rows = tables.map(({ name }) => [name, db.prepare(`select * from "${name}" order by 1, 2`).all()]);
    db.close();
    rmSync(folder, { recursive: true });
    return rows;
  }
}

const claimBy = (worker: string, limit: number): StoreRequest =>
  request('claim', { now: T0, queue: 'default', worker, node: 'n', limit });

/** Two workers and what they run, as far as they were told of it durably. */
class Work {
  readonly running: { worker: string; job: ClaimedJob }[] = [];
  readonly #dice: Dice;

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  /** A few requests of any kind. */
  group(): StoreRequest[] {
    const { below, one } = this.#dice;
    const ended = this.running.splice(0, below(3));
    const settled = ended.map(({ worker, job: { id, attempt, run } }) =>
      request('settle', { now: T0, worker, outcomes: [{ id, attempt, run, outcome: 'complete', result: null }] }),
    );
    const jobs = Array.from({ length: below(6) }, () => newJob(below(3) === 0 ? { args: 'x'.repeat(9_000) } : {}));
    const inserts = jobs.length > 0 ? [request('insert', { jobs })] : [];
    const claims = Array.from({ length: below(3) }, () => claimBy(one(['a', 'b']), 1 + below(5)));
    return [...settled, ...inserts, ...claims];
  }

  took(requests: readonly StoreRequest[], replies: readonly StoreReply[]): void {
    for (const [index, reply] of replies.entries()) {
      const asked = requests[index];
      if (asked?.verb !== 'claim' || !reply.ok) continue;
      for (const job of reply.answer as ClaimedJob[]) this.running.push({ worker: asked.worker, job });
    }
  }
}

/** Of the jobs that claims were told of early, those that the same group did not bring. */
function notNew(requests: readonly StoreRequest[], claims: readonly BegunAnswer[]): string[] {
  const inserted = requests.flatMap((one) => (one.verb === 'insert' ? one.jobs.map(({ id }) => id) : []));
  return claims.flatMap(({ jobs }) => jobs.map(({ id }) => id)).filter((id) => !inserted.includes(id));
}

it.each([1, 2, 3, 4])('a power loss takes back nothing that was answered (seed %i)', async (seed) => {
  const dice = diceOf(seed);
  const machine = new Machine();
  const work = new Work(dice);
  let answered = machine.written();
  const seen = { early: 0, losses: 0, failures: 0 };
  for (let step = 0; step < 100; step += 1) {
    const requests = work.group();
    let lost: ReadonlyMap<string, Buffer> | undefined;
    machine.syncFails = dice.below(15) === 0;
    const done = machine.store.perform(requests, async (claims) => {
      seen.early += 1;
      expect(notNew(requests, claims)).toEqual([]);
      expect(machine.onDisk(), 'what is told early is not yet durable').toEqual(answered);
      if (dice.below(4) === 0) lost = machine.disk;
    });
    const replies = await done.catch((error: unknown) => error as Error & { code: string });
    if (machine.syncFails && !Array.isArray(replies)) {
      seen.failures += 1;
      expect(replies).toMatchObject({ code: 'unavailable', cause: ioFault });
      machine.syncFails = false;
      await machine.restart();
    } else if (Array.isArray(replies)) work.took(requests, replies);
    if (lost !== undefined) {
      seen.losses += 1;
      await machine.powerUp(lost);
      expect(machine.written()).toEqual(answered);
      // What ran then is gone, and nobody was told that it was there.
      const again = await machine.store.perform(requests);
      work.running.splice(0);
      work.took(requests, again);
    }
    answered = machine.written();
    expect(machine.onDisk()).toEqual(answered);
    if (dice.below(20) === 0) await machine.restart();
  }
  expect(seen.early).toBeGreaterThan(10);
  expect(seen.losses).toBeGreaterThan(1);
  expect(seen.failures).toBeGreaterThan(1);
});

it('a sync that fails leaves a group in doubt: nothing is done until the store is opened again, and nothing is lost', async () => {
  const machine = new Machine();
  const driver = new StoreDriver(machine.store);
  const job = newJob();
  machine.syncFails = true;
  const doubt = { code: 'unavailable', message: expect.stringContaining('nobody knows'), cause: ioFault };
  await expect(driver.insert(job)).rejects.toMatchObject(doubt);
  machine.syncFails = false;
  expect(machine.broken).toMatchObject([doubt]);
  await expect(driver.insert(newJob())).rejects.toMatchObject(doubt);
  await expect(driver.do('get', { ids: [job.id] })).rejects.toMatchObject(doubt);
  await machine.restart();
  driver.store = machine.store;
  expect(await driver.insert(job)).toMatchObject([{ job: { id: job.id }, conflict: true }]);
});

it('what an earlier owner left in the log is written once more and synced, or the store does not open', async () => {
  const machine = new Machine();
  const job = newJob();
  await new StoreDriver(machine.store).insert(job);
  const { disk } = machine;
  const { syncs } = machine;
  await machine.powerUp(disk);
  expect([machine.syncs, machine.logWrittenAt]).toEqual([syncs + 1, expect.toSatisfy((at: number) => at > 1)]);
  expect(JSON.stringify(machine.written())).toContain(job.id);
  machine.syncFails = true;
  await expect(machine.powerUp(disk)).rejects.toMatchObject({ code: 'unavailable', cause: ioFault });
  machine.syncFails = false;
  await machine.powerUp(disk);
  expect(JSON.stringify(machine.written())).toContain(job.id);
});

it('what only reads or finds nothing to do syncs nothing', async () => {
  const machine = new Machine();
  const driver = new StoreDriver(machine.store);
  const job = newJob();
  await driver.insert(job);
  const first = await driver.claim();
  const { syncs } = machine;
  await driver.do('get', { ids: [job.id] });
  await driver.claim();
  await driver.do('stage', { now: T0, limit: 9 });
  expect(machine.syncs).toBe(syncs);
  await driver.settle(first[0] ?? expect.unreachable(), { outcome: 'complete', result: null });
  expect(machine.syncs).toBe(syncs + 1);
});

it('what is told early goes on to be synced where who is told fails', async () => {
  const machine = new Machine();
  const job = newJob();
  const told = machine.store.perform([request('insert', { jobs: [job] }), claimBy('a', 1)], async () => {
    throw new Error('deaf');
  });
  await expect(told).rejects.toThrow('deaf');
  expect(JSON.stringify(machine.onDisk())).toContain(job.id);
});

it('a long log is copied behind the sync, and written over: neither is it cut each time nor does it grow', async () => {
  const machine = new Machine();
  const driver = new StoreDriver(machine.store);
  const sizes: number[] = [];
  for (let round = 0; round < 60; round += 1) {
    const [first] = await driver.insert(...Array.from({ length: 8 }, () => newJob({ args: 'x'.repeat(100_000) })));
    sizes.push(machine.logBytes);
    if (round === 0) expect(JSON.stringify(machine.written(['']))).not.toContain(first?.job.id);
  }
  const [limit, group] = [16 * 1024 * 1024, 1024 * 1024];
  expect(Math.max(...sizes)).toBeGreaterThan(limit);
  expect(Math.max(...sizes)).toBeLessThan(limit + group);
  expect(Math.min(...sizes.slice(sizes.findIndex((size) => size > limit)))).toBe(limit);
  expect(JSON.stringify(machine.written(['']))).toContain('"state":"available"');
});

it('a copy that fails takes nothing back, and nothing is done until the store is opened again', async () => {
  const machine = new Machine();
  const driver = new StoreDriver(machine.store);
  const exec = DatabaseSync.prototype.exec;
  vi.spyOn(DatabaseSync.prototype, 'exec').mockImplementation(function (this: DatabaseSync, sql) {
    if (sql.includes('checkpoint')) throw ioFault;
    exec.call(this, sql);
  });
  onTestFinished(() => void vi.restoreAllMocks());
  const jobs = Array.from({ length: 200 }, () => newJob({ args: 'x'.repeat(100_000) }));
  expect(await driver.insert(...jobs)).toHaveLength(200);
  expect(machine.broken).toHaveLength(1);
  await expect(driver.insert(newJob())).rejects.toMatchObject({ code: 'unavailable' });
});

/** The lowest that is free: the same as long as no other is left open. */
function freeDescriptor(): number {
  const fd = openSync(devNull, 'r');
  closeSync(fd);
  return fd;
}

it('leaves no file open where it cannot be opened', async () => {
  const machine = new Machine();
  await machine.store.close();
  const before = freeDescriptor();
  machine.syncFails = true;
  await expect(machine.restart()).rejects.toMatchObject({ code: 'unavailable' });
  expect(freeDescriptor()).toBe(before);
});
