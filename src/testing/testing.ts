/**
 * The kit for testing one's own jobs without a broker, a database or real time: {@link testRota} is a whole node on
 * virtual time, with bus and store in memory. The parts that it is made of are here too.
 * @module
 */
export { MemoryBroker } from '../messaging/memory/memory-broker.ts';
export type { RunningHandler } from './handler-watch.ts';
export { LogBook, type LogLine } from './log-book.ts';
export type { DrainCounts, RunOptions } from './passage.ts';
export type { Performed, PerformOptions } from './perform.ts';
export { seededRandom } from './seeded-random.ts';
export { TestRota, type TestRotaOptions, testRota } from './test-rota.ts';
export { VirtualClock } from './virtual-clock.ts';
export { startVirtualNode, type VirtualNode, type VirtualNodeOptions } from './virtual-node.ts';
export type { WaitingFilter, WaitingState } from './waiting-jobs.ts';
