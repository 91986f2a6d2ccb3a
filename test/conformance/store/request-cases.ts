import { expect, it } from 'vitest';
import type { StoreSuite } from './store-conformance.ts';
import { T0 } from './store-driver.ts';

/** Requests that programs write into the store's own database: what holds where there is none. */
export function requestCases({ driver }: StoreSuite): void {
  it('has none that nobody made, and says so as often as it is asked', async () => {
    const take = { now: T0, limit: 10, bytesMax: 1_000, forMs: 1_000 };
    expect(await driver().do('takeRequests', take)).toEqual({ requests: [], more: false });
    expect(await driver().do('takeRequests', take)).toEqual({ requests: [], more: false });
  });

  it('takes words about requests that are not there', async () => {
    const keys = ['019b8d2a-0000-7000-8000-000000000001:1'];
    expect(await driver().do('finishRequests', { keys })).toBeNull();
    expect(await driver().do('holdRequests', { now: T0, keys, forMs: 1_000 })).toBeNull();
    expect(await driver().do('finishRequests', { keys: [] })).toBeNull();
    expect(driver().facts).toEqual([]);
  });
}
