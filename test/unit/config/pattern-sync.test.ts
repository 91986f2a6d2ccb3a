import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type KV, Kvm } from '@nats-io/kv';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { patternSync } from '../../../config/jobs/pattern-sync.ts';
import patterns from '../../../config/jobs/patterns.json' with { type: 'json' };
import { openPatternStore, PATTERN_BUCKET } from '../../../config/pattern-store.ts';
import { hasNatsServer, startNatsServer, type TestServer } from './nats-server.ts';
import { runHandler, temporaryFolder } from './run-handler.ts';

test('each pattern can be looked up by name and recognised by something', () => {
  expect(patterns.length).toBeGreaterThanOrEqual(15);
  for (const { name, title, files, dependencies, description } of patterns) {
    expect(name).toMatch(/^[a-z][a-z-]*$/);
    expect(files.length + dependencies.length).toBeGreaterThan(0);
    expect(title.length).toBeGreaterThan(1);
    expect(description.length).toBeGreaterThan(20);
  }
  const names = patterns.map(({ name }) => name);
  expect(names).toEqual([...new Set(names)].sort());
});

test('without a connection it says so', async () => {
  await using folder = await temporaryFolder();
  const services = { patterns: openPatternStore(folder.path, undefined) };
  await expect(runHandler(patternSync, { services })).rejects.toThrow('needs a NATS connection');
});

describe.skipIf(!hasNatsServer)('with a nats-server', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let server: TestServer;
  let nats: NatsConnection;
  let file: string;

  beforeEach(async () => {
    folder = await temporaryFolder();
    server = await startNatsServer(folder.path, { jetstream: true });
    nats = await connect({ servers: server.servers });
    file = join(folder.path, 'data', 'framework-patterns.json');
  });
  afterEach(async () => {
    await nats.close();
    await server.stop();
    await folder[Symbol.asyncDispose]();
  });

  const services = () => ({ patterns: openPatternStore(dirname(file), nats) });
  const sync = (signal?: AbortSignal) =>
    runHandler(patternSync, { services: services(), ...(signal === undefined ? {} : { signal }) });
  const open = (): Promise<KV> => new Kvm(nats).open(PATTERN_BUCKET);

  test('writes all to bucket and file, and then nothing while nothing changed', async () => {
    expect(await sync()).toEqual({ written: patterns.length, unchanged: 0, removed: 0 });
    const bucket = await open();
    for (const pattern of patterns) expect((await bucket.get(pattern.name))?.json()).toEqual(pattern);
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(patterns);

    const before = await stat(file);
    const revision = (await bucket.get('vue'))?.revision;
    expect(await sync()).toEqual({ written: 0, unchanged: patterns.length, removed: 0 });
    expect((await stat(file)).ino).toBe(before.ino);
    expect((await bucket.get('vue'))?.revision).toBe(revision);
    expect(await readdir(dirname(file))).toEqual(['framework-patterns.json']);
  });

  test('repairs what was changed or removed, and removes what is not listed', async () => {
    await sync();
    const bucket = await open();
    await bucket.put('vue', '{"name":"vue"}');
    await bucket.delete('react');
    await bucket.put('a-framework-of-1999', '{}');
    await writeFile(file, 'half a fi');
    expect(await sync()).toEqual({ written: 2, unchanged: patterns.length - 2, removed: 1 });
    expect((await bucket.get('react'))?.json()).toMatchObject({ name: 'react' });
    expect((await bucket.get('a-framework-of-1999'))?.operation).toBe('PURGE');
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(patterns);
    expect(await sync()).toEqual({ written: 0, unchanged: patterns.length, removed: 0 });
  });

  test('two at once end as one would', async () => {
    await Promise.all([sync(), sync()]);
    expect(await sync()).toEqual({ written: 0, unchanged: patterns.length, removed: 0 });
    expect(await readdir(dirname(file))).toEqual(['framework-patterns.json']);
  });

  test('an abort ends it', async () => {
    await expect(sync(AbortSignal.abort())).rejects.toThrow('aborted');
  });

  test('it uses the connection and leaves it open', async () => {
    await sync();
    expect(nats.isClosed()).toBe(false);
    await nats.flush();
  });

  test('without JetStream it fails with what to do, changes nothing, and is retried soon', async () => {
    await using bare = await startNatsServer(folder.path, { jetstream: false });
    const connection = await connect({ servers: bare.servers });
    const failing = runHandler(patternSync, { services: { patterns: openPatternStore(dirname(file), connection) } });
    await expect(failing).rejects.toThrow(/rota-patterns cannot be reached.*not enabled.*--jetstream/);
    await connection.close();
    await expect(stat(file)).rejects.toThrow('ENOENT');
    expect(patternSync).toMatchObject({ maxAttempts: 5, backoff: { kind: 'linear', baseMs: 10_000 } });
  });

  test('when the server is gone it fails with a clear message, and a later run succeeds', async () => {
    const lonely = await connect({ servers: server.servers, reconnect: false });
    await server.stop();
    await lonely.closed();
    const failing = runHandler(patternSync, { services: { patterns: openPatternStore(dirname(file), lonely) } });
    await expect(failing).rejects.toThrow(`the bucket ${PATTERN_BUCKET} cannot be reached`);

    await using again = await startNatsServer(folder.path, { jetstream: true });
    const connection = await connect({ servers: again.servers });
    const later = runHandler(patternSync, { services: { patterns: openPatternStore(dirname(file), connection) } });
    expect(await later).toEqual({ written: patterns.length, unchanged: 0, removed: 0 });
    await connection.close();
  });
});
