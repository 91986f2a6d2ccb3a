import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfiguration } from '../../../src/app/configuration.ts';
import { discoverIn } from '../../../src/app/discovery.ts';
import { defineJob } from '../../../src/job/definition.ts';

/** What defineJob returns, written as a module would export it without importing anything. */
const exported = (name: string, type: string): string =>
  `export const ${name} = ${JSON.stringify({ ...defineJob({ type }), schema: null })};\n`;

describe('discovery of job files', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rota-discovery-'));
    await mkdir(join(folder, 'jobs/deep'), { recursive: true });
    await writeFile(
      join(folder, 'jobs/a.js'),
      `${exported('one', 'a.one')}${exported('two', 'a.two')}export const limit = 5;\n`,
    );
    await writeFile(join(folder, 'jobs/deep/b.js'), exported('three', 'b.three'));
    await writeFile(join(folder, 'jobs/broken.js'), 'throw new Error("no database");');
  });
  afterAll(() => rm(folder, { recursive: true }));

  const read = (...jobs: string[]) => readConfiguration({ jobs }, { now: 0, discover: discoverIn(folder) });

  test('takes every definition that the matching files export', async () => {
    const { definitions } = await read('./jobs/{a,deep/b}.js');
    expect([...definitions.keys()]).toEqual(['a.one', 'a.two', 'b.three']);
  });

  test('a file that two patterns name is read once', async () => {
    const { definitions } = await read('./jobs/a.js', './jobs/a*.js');
    expect([...definitions.keys()]).toEqual(['a.one', 'a.two']);
  });

  test('a file that cannot be imported, and a pattern that names nothing, are told with their place', async () => {
    await expect(read('./jobs/broken.js', './nothing/*.js')).rejects.toMatchObject({
      issues: [
        { path: 'jobs.0', message: expect.stringContaining('no database') },
        { path: 'jobs.1', message: expect.stringContaining('names no file') },
      ],
    });
  });
});
