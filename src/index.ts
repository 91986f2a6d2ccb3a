/**
 * The public door of `rota`: define what an installation runs, and start it. Re-exports only.
 * @module
 */
export {
  defineScheduler,
  type QueueDeclaration,
  type SchedulerConfig,
  type ServicesContext,
  type ServicesFactory,
} from './app/configuration.ts';
export type { IsolationOptions } from './app/job-hosts.ts';
export type { Rota } from './app/rota.ts';
export { type StartOptions, start } from './app/start.ts';
export type { RotaClient } from './client/rota-client.ts';
export {
  type ArgsOf,
  type BackoffFunction,
  defineJob,
  type EnqueueFunction,
  type EnqueueOptions,
  type HandlerContext,
  type HandlerJob,
  type Isolation,
  type JobDefinition,
  type JobDefinitionOptions,
  type Services,
} from './job/definition.ts';
export { cancel, discard, endSchedule, snooze } from './job/outcome.ts';
export { type BackoffOptions, type BackoffPolicy, constant, exponential, linear } from './job/retry-policy.ts';
export type { UniqueOptions } from './job/unique.ts';
export { type ErrorCode, type Issue, RotaError } from './kernel/error.ts';
export type { Json } from './kernel/json.ts';
export type { Logger } from './kernel/log.ts';
export { at, cron, every, type ScheduleEntry, type ScheduleOptions } from './scheduler/schedule-entry.ts';
