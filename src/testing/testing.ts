/**
 * The kit for testing one's own jobs without a broker, a database or real time: a virtual clock and a bus in memory.
 * @module
 */
export { MemoryBroker } from '../messaging/memory/memory-broker.ts';
export { VirtualClock } from './virtual-clock.ts';
