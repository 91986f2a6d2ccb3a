/**
 * The URL of a module beside another one, with the ending that the program runs with: TypeScript in the repository,
 * JavaScript where it was compiled. For threads and processes, which are started by URL.
 * @param from `import.meta.url` of the module that asks
 * @param path relative, without its ending: `./persistence-thread`
 */
export function siblingModule(from: string, path: string): URL {
  return new URL(`${path}${from.endsWith('.ts') ? '.ts' : '.js'}`, from);
}
