#!/usr/bin/env node
// The launcher. Plain JavaScript, so that a Node which is too old can still read it and say so.
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** The oldest Node that runs Rota. */
const NODE_MAJOR_MIN = 24;
/** Set for the Node that the launcher hands over to, so that it never hands over twice. */
const HANDED_OVER = 'ROTA_HANDED_OVER';

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

async function launch() {
  const self = fileURLToPath(import.meta.url);
  const handedOver = process.env[HANDED_OVER] === '1';
  delete process.env[HANDED_OVER];
  const version = process.versions.node;
  const decision = decide({ version, root: dirname(dirname(self)), handedOver, exists: existsSync });
  if (decision.act === 'run') {
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
