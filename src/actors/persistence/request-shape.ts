import { isRecord } from '../../kernel/check.ts';
import { RotaError } from '../../kernel/error.ts';
import type { StoreVerb } from '../../store/job-store.ts';

/** The field of a verb that is a list of things, where it has one. */
const LISTS: ReadonlyMap<string, string> = new Map<StoreVerb, string>([
  ['insert', 'jobs'],
  ['runSchedules', 'jobs'],
  ['settle', 'outcomes'],
  ['changeSchedules', 'changes'],
  ['tick', 'ticks'],
  ['reboot', 'ticks'],
]);

const isListOfRecords = (value: unknown): boolean => Array.isArray(value) && value.every(isRecord);
const hasJobs = (tick: unknown): boolean => isRecord(tick) && isListOfRecords(tick.jobs);

/**
 * Whether a request has the shape that a group of requests is counted by. Our own actors send nothing else; but whoever
 * may publish on the internal subjects must not bring down what all the others wait for.
 * @throws RotaError `invalid_request`
 */
export function checkShape(verb: string, options: unknown): void {
  const list = LISTS.get(verb);
  const entries = isRecord(options) && list !== undefined ? options[list] : [];
  const fits = isRecord(options) && isListOfRecords(entries);
  if (fits && (list !== 'ticks' || (Array.isArray(entries) && entries.every(hasJobs)))) return;
  throw new RotaError('invalid_request', `this is no request "${verb}" to the store`);
}
