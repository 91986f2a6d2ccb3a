import { glob } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { AnyJobDefinition } from '../job/definition.ts';
import { isDefinition } from './configuration.ts';

/**
 * Imports the job files that a path pattern names and takes every export that defineJob made.
 * @param folder where patterns begin
 */
export function discoverIn(folder: string): (pattern: string) => Promise<AnyJobDefinition[]> {
  return async (pattern) => {
    const files: string[] = [];
    for await (const file of glob(pattern, { cwd: folder })) files.push(file);
    const modules = await Promise.all(files.sort().map((file) => import(pathToFileURL(join(folder, file)).href)));
    return [...new Set(modules.flatMap((module) => Object.values(module as object).filter(isDefinition)))];
  };
}
