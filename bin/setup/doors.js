import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';

/**
 * The stubs that make `import 'rota'` work inside a checkout. package.json names compiled files; here each only
 * forwards to its source, so that tests, config and the program share the very same module instances.
 * @param {{ exports: Record<string, string | { default: string }> }} manifest the content of package.json
 * @returns {Map<string, string>} the text of each stub by its path from the root
 */
export function doorStubs(manifest) {
  const stubs = new Map();
  for (const target of Object.values(manifest.exports)) {
    const door = typeof target === 'string' ? target : target.default;
    const match = /^\.\/dist\/(.+)\.js$/.exec(door);
    if (!match) continue;
    const stub = `dist/${match[1]}`;
    const text = `export * from '${posix.relative(posix.dirname(stub), `src/${match[1]}.ts`)}';\n`;
    stubs.set(`${stub}.js`, text);
    stubs.set(`${stub}.d.ts`, text);
  }
  return stubs;
}

/**
 * Writes the stubs that are missing or differ.
 * @param {string} root of the checkout
 * @returns {boolean} whether anything was written
 */
export function writeDoors(root) {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  let wrote = false;
  for (const [path, text] of doorStubs(manifest)) {
    const file = join(root, path);
    if (contentOf(file) === text) continue;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    wrote = true;
  }
  return wrote;
}

function contentOf(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
