import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What is read of a package.json. */
export interface Manifest {
  name: string;
  version: string;
  description?: string;
  license?: string;
  homepage?: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

/** An installed package and how many others depend on it. `location` is its folder, from the project's. */
export interface HotPackage {
  name: string;
  version: string;
  location: string;
  dependents: number;
}

/** Where cache-refresh leaves the "hot packages" view and cache-prewarm finds it. */
export const HOT_PACKAGES_KEY = 'hot-packages';
/** The view holds this many at most. */
export const HOT_PACKAGES_MAX = 50;

/** Reads a package.json; undefined when the folder has none. */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  return readJson<Manifest>(join(folder, 'package.json'));
}

/**
 * The packages that most others depend on, the most wanted first: at most {@link HOT_PACKAGES_MAX}. The lockfile says
 * where packages stand, node_modules which of them are really there (those for other platforms are not).
 */
export async function hotPackages(projectFolder: string, signal: AbortSignal): Promise<HotPackage[]> {
  const installed = new Map<string, Manifest>();
  for (const location of await lockedLocations(projectFolder)) {
    signal.throwIfAborted();
    const manifest = await readManifest(join(projectFolder, location));
    if (manifest) installed.set(location, manifest);
  }

  // By name and version, so that two copies of one package in the tree count as one dependent.
  const dependents = new Map<string, Set<string>>();
  for (const [location, manifest] of installed) {
    for (const name of dependenciesOf(manifest)) {
      const found = resolve(location, name, installed);
      if (found === undefined) continue;
      const known = dependents.get(found) ?? new Set();
      dependents.set(found, known.add(`${manifest.name}@${manifest.version}`));
    }
  }

  const ranked: HotPackage[] = [];
  for (const [location, others] of dependents) {
    const manifest = installed.get(location);
    if (manifest) ranked.push({ name: manifest.name, version: manifest.version, location, dependents: others.size });
  }
  ranked.sort((a, b) => b.dependents - a.dependents || (a.location < b.location ? -1 : 1));
  return ranked.slice(0, HOT_PACKAGES_MAX);
}

/** The folders of all packages in the lockfile. The project itself is '', workspaces are folders of their own. */
async function lockedLocations(projectFolder: string): Promise<string[]> {
  const file = join(projectFolder, 'package-lock.json');
  const lock = await readJson<{ packages?: Record<string, unknown> }>(file);
  if (!lock?.packages) throw new Error(`${file} is missing or older than npm 7: run "npm install" in ${projectFolder}`);
  return Object.keys(lock.packages);
}

/** Optional and peer dependencies count too: where one is not installed it is just not found. */
function dependenciesOf({ dependencies, optionalDependencies, peerDependencies }: Manifest): string[] {
  return Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies });
}

/** Finds a dependency as Node does: in the nearest node_modules, going up from the folder that asks. */
function resolve(from: string, name: string, installed: ReadonlyMap<string, unknown>): string | undefined {
  const folders = from === '' ? [] : from.split('/');
  for (let depth = folders.length; depth >= 0; depth -= 1) {
    const location = [...folders.slice(0, depth), 'node_modules', name].join('/');
    if (installed.has(location)) return location;
  }
  return undefined;
}

async function readJson<Content>(file: string): Promise<Content | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    // An entry that is not there is an answer; one that cannot be read is a fault, and the job says which file it was.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new Error(`${file} cannot be read`, { cause: error });
  }
}
