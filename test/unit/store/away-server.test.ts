import { expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../support/free-port.ts';
import { openTestStore } from '../../support/postgres/enqueuer.ts';
import { freshDatabase } from '../../support/postgres/fresh-database.ts';
import { TcpGate } from '../../support/tcp-gate.ts';

/** Far less than a store tries to reach a server that was there a moment ago. */
const AT_ONCE_MS = 2_000;

test('a server that is known to be away costs those who ask no waiting, and its return none either', async () => {
  await using database = await freshDatabase();
  const url = new URL(database.url);
  const gate = new TcpGate(await freePort(), Number(url.port));
  await gate.open();
  onTestFinished(() => gate.shut());
  url.port = String(gate.port);
  const store = await openTestStore(url.href);
  const look = () => store.perform([{ verb: 'queues' }]);
  const refusedAfterMs = async (): Promise<number> => {
    const startMs = performance.now();
    await expect(look()).rejects.toMatchObject({ code: 'unavailable' });
    return performance.now() - startMs;
  };

  await gate.shut();
  expect(await refusedAfterMs()).toBeGreaterThan(AT_ONCE_MS);
  expect(await refusedAfterMs()).toBeLessThan(AT_ONCE_MS);

  await gate.open();
  expect(await look()).toMatchObject([{ ok: true }]);

  // It was there again, so a short absence is waited for again.
  await gate.shut();
  const asked = look();
  await gate.open();
  expect(await asked).toMatchObject([{ ok: true }]);
}, 30_000);
