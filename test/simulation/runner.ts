import type { PlantedBug } from './mutations/mutation.ts';
import { editedRun } from './mutations/source-edit.ts';
import { runPlan } from './run.ts';

const made = new Map<PlantedBug, Promise<typeof runPlan>>();

/** What runs plans with a bug: one that stands in the source needs a copy of the modules of its own. */
export async function runnerFor(bug: PlantedBug | undefined): Promise<typeof runPlan> {
  if (bug?.edits === undefined) return runPlan;
  const known = made.get(bug) ?? editedRun(bug.edits);
  made.set(bug, known);
  return known;
}
