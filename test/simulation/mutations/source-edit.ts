import { registerHooks } from 'node:module';
import type { runPlan } from '../run.ts';

/** A text in a source file, and what stands in its place where a bug is planted there. */
export interface SourceEdit {
  /** From the root of the repository. */
  file: string;
  /** Stands in the file exactly once: mostly what mended the bug. */
  mended: string;
  /** What takes it away again. */
  broken: string;
}

const ROOT = new URL('../../../', import.meta.url).href;
let marks = 0;

/**
 * Loads the simulation and all of Rota once more, with edits to their sources. Only where Node itself loads modules: not
 * in tests, which do so by a program of its own.
 * @throws Error when a text that is to be replaced does not stand in its file once
 */
export async function editedRun(edits: readonly SourceEdit[]): Promise<typeof runPlan> {
  marks += 1;
  const mark = `?edited=${marks}`;
  const done = new Set<SourceEdit>();
  const isOurs = (url: string): boolean => url.startsWith(ROOT) && !url.includes('/node_modules/');
  // They stay: a module of this copy may load another one at any time.
  registerHooks({
    resolve: (specifier, context, next) => {
      const found = next(specifier, context);
      const isCopy = context.parentURL?.endsWith(mark) || specifier.endsWith(mark);
      if (!isCopy || !isOurs(found.url) || found.url.endsWith(mark)) return found;
      return { ...found, url: `${found.url}${mark}` };
    },
    load: (url, context, next) => {
      const loaded = next(url, context);
      const fitting = url.endsWith(mark) ? edits.filter(({ file }) => url === `${ROOT}${file}${mark}`) : [];
      if (fitting.length === 0) return loaded;
      let source =
        typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source ?? undefined);
      for (const edit of fitting) {
        const { file, mended, broken } = edit;
        if (source.split(mended).length !== 2) throw new Error(`not once in ${file}: ${mended}`);
        source = source.replace(mended, () => broken);
        done.add(edit);
      }
      return { ...loaded, source };
    },
  });
  // The copy of the module that this one knows the type of.
  const copy = (await import(`../run.ts${mark}`)) as { runPlan: typeof runPlan };
  for (const edit of edits) if (!done.has(edit)) throw new Error(`the simulation does not load ${edit.file}`);
  return copy.runPlan;
}
