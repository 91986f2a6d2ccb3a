/** bin/ is plain JavaScript for old Nodes; its modules are loaded by name, and a test says what it takes from each. */
export function loadBin<T>(name: string): Promise<T> {
  return import(binPath(name).href) as Promise<T>;
}

/** Where a file of bin/ lies. */
export function binPath(name: string): URL {
  return new URL(`../../../bin/${name}`, import.meta.url);
}
