import { type MessagePort, workerData } from 'node:worker_threads';
import { systemClock } from '../../src/kernel/clock.ts';
import { PortBus } from '../../src/messaging/local/port-bus.ts';
import { answer } from '../../src/messaging/reply.ts';
import { Subjects } from '../../src/messaging/subjects.ts';

/** Run as a worker thread: serves `jobs.echo` and `jobs.mute` over the port in its `workerData`. */
const { port } = workerData as { port: MessagePort };
const bus = new PortBus(port, { clock: systemClock, subjects: new Subjects('jobs') });
bus.subscribe('jobs.echo', { group: 'echo' }, (message) => answer(message, message.body.value));
bus.subscribe('jobs.mute', { group: 'echo' }, () => new Promise(() => {}));
