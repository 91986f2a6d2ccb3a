import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

/** What goes into the package or builds it. */
const SOURCES = ['bin', 'src', 'package.json', 'package-lock.json', 'tsconfig.json', 'README.md', 'LICENSE'];

const USES_EVERY_DOOR = `
import { cron, defineJob, defineScheduler, start } from 'rota';
import { connect } from 'rota/client';
import { startSupervisor } from 'rota/supervisor';
import { VirtualClock } from 'rota/testing';
const double = defineJob({ type: 'double', run: ({ args }) => args.n * 2 });
const config = defineScheduler({ jobs: [double], schedules: { yearly: cron('@yearly', double, { args: { n: 1 } }) } });
const rota = await start(config, { nats: 'embedded://127.0.0.1:0', data: './data', logLevel: 'silent' });
const client = await connect({ servers: rota.natsUrl });
const { id } = await client.enqueue(double, { n: 21 });
const { result } = await client.wait(id);
await client.close();
await rota.stop();
const supervisor = await startSupervisor({ name: 'alone' });
console.log(JSON.stringify({ result, exit: await supervisor.stop(), now: typeof new VirtualClock().now() }));
process.exit(0);
`;

const TYPED = `
import { defineJob, defineScheduler, every, type HandlerContext } from 'rota';
import { connect, type JobView } from 'rota/client';
const job = defineJob({ type: 'a', run: ({ job, signal }: HandlerContext) => (signal.aborted ? null : job.attempt) });
export default defineScheduler({ schedules: { a: every('5m', job) } });
export const read = async (id: string): Promise<JobView> => (await connect()).get(id);
`;

/** The package as another project gets it: packed in a copy, for packing replaces the doors of the tree it runs in. */
describe('the packed package in another project', () => {
  let folder: string;
  let project: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rota-pack-'));
    const copy = join(folder, 'copy');
    project = join(folder, 'project');
    const installed = join(project, 'node_modules');
    await mkdir(copy);
    await mkdir(join(installed, 'rota'), { recursive: true });
    await Promise.all(SOURCES.map((name) => cp(join(root, name), join(copy, name), { recursive: true })));
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
    await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: copy });
    const tarball = (await readdir(folder)).find((name) => name.endsWith('.tgz'));
    await run('tar', ['-xzf', join(folder, tarball ?? ''), '-C', join(installed, 'rota'), '--strip-components=1']);
    for (const name of await readdir(join(root, 'node_modules'))) {
      if (name !== 'rota' && !name.startsWith('.'))
        await symlink(join(root, 'node_modules', name), join(installed, name));
    }
    await writeFile(join(project, 'package.json'), '{"name":"other","private":true,"type":"module"}');
  }, 120_000);

  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('ships JavaScript and types, and no TypeScript source', async () => {
    const files = await readdir(join(project, 'node_modules/rota'), { recursive: true });
    expect(files).toContain('dist/index.js');
    expect(files).toContain('dist/supervisor/supervisor.d.ts');
    expect(files.filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))).toEqual([]);
  });

  test('runs a whole node through every door', async () => {
    await writeFile(join(project, 'run.js'), USES_EVERY_DOOR);
    const { stdout } = await run(process.execPath, ['run.js'], { cwd: project });
    expect(JSON.parse(stdout)).toEqual({ result: 42, exit: 'shutdown', now: 'number' });
  });

  test('type-checks where it is used', async () => {
    await writeFile(join(project, 'typed.ts'), TYPED);
    const options = [
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--module',
      'nodenext',
      '--target',
      'es2024',
      'typed.ts',
    ];
    await run(join(root, 'node_modules/.bin/tsc'), options, { cwd: project });
  });

  test('has a command line that knows its version', async () => {
    const { stdout } = await run(process.execPath, ['node_modules/rota/bin/rota.js', '--version'], { cwd: project });
    expect(stdout).toMatch(/\d+\.\d+\.\d+/);
  });
});
