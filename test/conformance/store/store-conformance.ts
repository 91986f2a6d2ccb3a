import { afterEach, beforeEach, describe } from 'vitest';
import type { JobStore } from '../../../src/store/job-store.ts';
import { attemptCases } from './attempt-cases.ts';
import { begunJobCases } from './begun-job-cases.ts';
import { changeCases } from './change-cases.ts';
import { freshJobCases } from './fresh-job-cases.ts';
import { groupCases } from './group-cases.ts';
import { insertAndClaimCases } from './insert-and-claim-cases.ts';
import { largeListCases } from './large-list-cases.ts';
import { listCases } from './list-cases.ts';
import { nodeCases } from './node-cases.ts';
import { outboxCases } from './outbox-cases.ts';
import { queueCases } from './queue-cases.ts';
import { rejectedCases } from './rejected-cases.ts';
import { requestCases } from './request-cases.ts';
import { scheduleCases } from './schedule-cases.ts';
import { StoreDriver } from './store-driver.ts';
import { sweepCases } from './sweep-cases.ts';
import { tickCases } from './tick-cases.ts';
import { typeCases } from './type-cases.ts';
import { uniqueCases } from './unique-cases.ts';
import { workerCases } from './worker-cases.ts';

/** A place for one store, empty at first. */
export interface StorePlace {
  /** Opens the store there; again after a close, where the adapter is durable. */
  open(): Promise<JobStore>;
  dispose(): Promise<void>;
}

/** What a part of the suite works with: the driver of the test that runs. */
export interface StoreSuite {
  driver(): StoreDriver;
  /** Closes the store and opens it again. */
  reopen(): Promise<StoreDriver>;
}

/**
 * What every adapter of the port `JobStore` must do; each adapter runs it over each of its kinds of place.
 * @param name the adapter, and the kind of place
 * @param place makes an empty place for each test
 */
export function describeStore(name: string, place: () => Promise<StorePlace>): void {
  describe(`the store ${name}`, () => {
    let here: StorePlace;
    let driver: StoreDriver;
    beforeEach(async () => {
      here = await place();
      driver = new StoreDriver(await here.open());
    });
    afterEach(async () => {
      await driver.expectCountsHold();
      await driver.store.close();
      await here.dispose();
    });
    const suite: StoreSuite = {
      driver: () => driver,
      reopen: async () => {
        await driver.store.close();
        driver = new StoreDriver(await here.open());
        return driver;
      },
    };
    describe('inserting and claiming', () => insertAndClaimCases(suite));
    describe('claims of what just came', () => freshJobCases(suite));
    describe('jobs that begin as they come', () => begunJobCases(suite));
    describe('claims of some types', () => typeCases(suite));
    describe('ending attempts', () => attemptCases(suite));
    describe('unique jobs', () => uniqueCases(suite));
    describe('changes by hand and deadlines', () => changeCases(suite));
    describe('changes of many', () => sweepCases(suite));
    describe('workers', () => workerCases(suite));
    describe('groups', () => groupCases(suite));
    describe('terminal facts', () => outboxCases(suite));
    describe('listing and counting', () => listCases(suite));
    describe('listing and counting many', () => largeListCases(suite));
    describe('nodes and the lead', () => nodeCases(suite));
    describe('schedules', () => scheduleCases(suite));
    describe('rejected messages', () => rejectedCases(suite));
    describe('requests in the database', () => requestCases(suite));
    describe('ticks', () => tickCases(suite));
    describe('what operators say of queues', () => queueCases(suite));
  });
}
