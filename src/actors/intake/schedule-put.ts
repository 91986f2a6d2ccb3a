import { Issues, isRecord } from '../../kernel/check.ts';
import { parseTime } from '../../kernel/clock.ts';
import { RotaError } from '../../kernel/error.ts';
import { canonicalJson, type Json } from '../../kernel/json.ts';
import { readRequest } from '../../messaging/contract/request.ts';
import type { ScheduleDeclaration } from '../../scheduler/schedule.ts';
import { schedulePut } from '../../scheduler/schedule-check.ts';
import type { ScheduleRecord } from '../../store/schedule-record.ts';
import { checkedArgs } from './checked-args.ts';
import type { Registry } from './registry.ts';

/** What reading a `put` needs from around it. */
export interface SchedulePutWorld {
  registry: Registry;
  /** The stored schedule of a name. */
  find(name: string): Promise<ScheduleRecord | undefined>;
  /** The zone of schedules that name none. */
  timezone: string;
  now: number;
}

/**
 * Reads the body of `ctl.schedule.put` down to the args, which the type's schema checks where this node has it.
 * @throws RotaError `invalid_schedule` or `too_large`, every fault with its field
 */
export async function readSchedulePut(
  body: unknown,
  { registry, find, timezone, now }: SchedulePutWorld,
): Promise<{ name: string; declaration: ScheduleDeclaration }> {
  const stored = isRecord(body) && typeof body.name === 'string' ? await find(body.name) : undefined;
  const type = isRecord(body) && isRecord(body.job) && typeof body.job.type === 'string' ? body.job.type : undefined;
  const queueOfType = type === undefined ? undefined : await registry.queueOf(type);
  const check = schedulePut({
    timezone,
    knownType: () => queueOfType !== undefined,
    queueOf: () => queueOfType,
    // What has fired may be put back as it is; a new time must be to come.
    ...(hasSameTime(body, stored) ? {} : { now }),
  });
  const { name, declaration } = readRequest(body, check, 'invalid_schedule');
  const { job } = declaration;
  const issues = new Issues();
  if (!(await registry.knowsQueue(job.queue))) {
    issues.add('job.queue', `"${job.queue}" is not a queue that is known here`);
  }
  const args = await putArgs(job, { stored, registry, issues });
  const [first] = issues.list;
  if (first === undefined && args !== undefined)
    return { name, declaration: { ...declaration, job: { ...job, args } } };
  throw new RotaError('invalid_schedule', `${first?.path} ${first?.message}`, { issues: issues.list });
}

function hasSameTime(body: unknown, stored: ScheduleRecord | undefined): boolean {
  const spec = stored?.declaration.spec;
  if (spec === undefined || !('at' in spec) || !isRecord(body) || !isRecord(body.spec)) return false;
  return typeof body.spec.at === 'string' && parseTime(body.spec.at) === spec.at;
}

async function putArgs(
  { type, args = {} }: ScheduleDeclaration['job'],
  { stored, registry, issues }: { stored: ScheduleRecord | undefined; registry: Registry; issues: Issues },
): Promise<Json | undefined> {
  const before = stored?.declaration.job;
  // A schema's output was stored, which need not be an input of it: put back, it stays.
  if (before?.type === type && canonicalJson(before.args ?? {}) === canonicalJson(args)) return args;
  const checked = await checkedArgs(registry.definition(type), args, { type, path: 'job.args' });
  if ('args' in checked) return checked.args;
  for (const { path, message } of checked.error.issues) issues.add(path, message);
  return undefined;
}
