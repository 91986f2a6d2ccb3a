#!/usr/bin/env node
// The launcher. Plain JavaScript, so that a Node which is too old can still read it and say so.
import { existsSync, realpathSync } from 'node:fs';
import module from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** The oldest Node that runs Rota. */
const NODE_MAJOR_MIN = 24;
/** Set for the Node that the launcher hands over to, so that it never hands over twice. */
const HANDED_OVER = 'ROTA_HANDED_OVER';
/** Names what the launcher put into the environment for itself, so that no program that a handler starts inherits it. */
const LENT = 'ROTA_LENT';

/**
 * What keeps a node small, which V8 and the C library take only when a process starts: two fifths of the memory under full
 * load, at 1.04 of the processor time. New objects are gathered in halves of 8 MiB in each thread (V8 would take 64, and
 * rounds up to a power of two); those that outlast two of them count as old. Halves of 16 are 40 MiB more. Old ones may
 * grow by 70 % before they are looked through; V8 would let them grow fourfold. Starting again takes 40 ms.
 */
const LEAN_FLAGS = ['--max-semi-space-size=8', '--heap-growing-percent=70'];
/**
 * The C library keeps what was freed apart for so many threads: two do the work here, and it would take 8 for each core.
 * What is larger than so many bytes it gives back to the system when it is freed; it would soon keep anything below 32 MiB.
 */
const LEAN_ENV = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '131072' };

/**
 * What the launcher does: run the CLI here, hand over to the Node that setup installed, or refuse.
 * @param {{ version: string, root: string, handedOver: boolean, exists: (path: string) => boolean }} world
 *   `version` of the running Node, `root` of the package, whether another launcher started this one
 * @returns {{ act: 'run', cli: string } | { act: 'hand-over', node: string } | { act: 'refuse', why: string }}
 */
export function decide({ version, root, handedOver, exists }) {
  const source = join(root, 'src', 'cli', 'main.ts');
  const compiled = join(root, 'dist', 'cli', 'main.js');
  const inRepository = exists(join(root, 'bin', 'setup.js'));
  if (Number.parseInt(version, 10) >= NODE_MAJOR_MIN) {
    const cli = [source, compiled].find(exists);
    if (cli) return { act: 'run', cli };
    return { act: 'refuse', why: `Rota's command line is missing: neither ${source} nor ${compiled} exists.` };
  }
  const pinned = join(root, 'node_modules', 'node', 'bin', 'node');
  if (inRepository && !handedOver && exists(pinned)) return { act: 'hand-over', node: pinned };
  const remedy = inRepository
    ? `Run "node bin/setup.js" in ${root}, which installs it there, and try again.`
    : 'Install it (with your package manager, nvm, fnm or volta) and try again, or run "npx -p node@24 -p rota rota".';
  return { act: 'refuse', why: `Rota needs Node ${NODE_MAJOR_MIN} or newer; this is Node ${version}. ${remedy}` };
}

/**
 * What a node that is about to start lacks of what keeps it small. What the user chose stays, on the command line, in
 * NODE_OPTIONS or in the environment.
 * @param {{ words: string[], execArgv: string[], env: NodeJS.ProcessEnv }} start `words` after the program's name
 * @returns {{ flags: string[], env: Record<string, string> } | undefined} undefined: nothing, or no node is to start
 */
export function lacks({ words, execArgv, env }) {
  if (words[0] !== 'start') return undefined;
  const nameOf = (flag) => flag.split('=')[0].replaceAll('_', '-');
  const chosen = new Set([...execArgv, ...(env.NODE_OPTIONS ?? '').split(/\s+/)].map(nameOf));
  const flags = LEAN_FLAGS.filter((flag) => !chosen.has(nameOf(flag)));
  const unset = Object.entries(LEAN_ENV).filter(([name]) => env[name] === undefined && env[LENT] === undefined);
  return flags.length + unset.length > 0 ? { flags, env: Object.fromEntries(unset) } : undefined;
}

/**
 * Starts this program again in its own place: the same process number, input and output, now with what it lacks. Returns
 * where that cannot be done: Windows, a Node without `execve`, or a parent that speaks with this process over a channel.
 */
function replaceWith({ flags, env }) {
  if (process.platform === 'win32' || process.execve === undefined || process.channel !== undefined) return;
  const args = [process.argv0, ...process.execArgv, ...flags, ...process.argv.slice(1)];
  try {
    process.execve(process.execPath, args, { ...process.env, ...env, [LENT]: Object.keys(env).join() });
  } catch {
    // A larger node is better than none.
  }
}

async function launch() {
  const self = fileURLToPath(import.meta.url);
  const handedOver = process.env[HANDED_OVER] === '1';
  delete process.env[HANDED_OVER];
  const version = process.versions.node;
  const decision = decide({ version, root: dirname(dirname(self)), handedOver, exists: existsSync });
  if (decision.act === 'run') {
    const { execArgv, env } = process;
    const lacking = lacks({ words: process.argv.slice(2), execArgv, env });
    if (lacking !== undefined) replaceWith(lacking);
    for (const name of [...(env[LENT]?.split(',') ?? []), LENT]) delete env[name];
    // Types are stripped once, not at each start: 0.2 s. In a folder that is the repository's own; what is stale is not used.
    if (decision.cli.endsWith('.ts'))
      module.enableCompileCache(join(dirname(dirname(self)), 'node_modules', '.cache', 'rota'));
    const { main } = await import(pathToFileURL(decision.cli).href);
    await main(process.argv.slice(2));
  } else if (decision.act === 'hand-over') {
    const { runAttached, endLike } = await import('./child.js');
    const args = [...process.execArgv, self, ...process.argv.slice(2)];
    endLike(await runAttached(decision.node, args, { env: { ...process.env, [HANDED_OVER]: '1' } }));
  } else {
    process.stderr.write(`${decision.why}\n`);
    process.exitCode = 1;
  }
}

// npm installs commands as symbolic links, so the started path is compared by what it really is.
if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) await launch();
