import { type MessagePort, workerData } from 'node:worker_threads';
import { systemClock } from '../../../src/kernel/clock.ts';
import { Body } from '../../../src/messaging/body.ts';
import { PortBus } from '../../../src/messaging/local/port-bus.ts';
import { answer, ask } from '../../../src/messaging/reply.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';

/** Run as a worker thread by the test beside it. */
const { port } = workerData as { port: MessagePort };
const bus = new PortBus(port, { clock: systemClock, subjects: new Subjects('jobs') });
bus.subscribe('jobs.thread.echo', { group: 'g' }, (message) => answer(message, message.body.value));
bus.subscribe('jobs.thread.mute', { group: 'g' }, () => new Promise(() => {}));
bus.subscribe('jobs.thread.spin', { group: 'g' }, () => {
  for (;;);
});
bus.subscribe('jobs.thread.ask-main', { group: 'g' }, async (message) => {
  answer(message, await ask(bus, 'jobs.main.echo', { value: message.body.value, timeoutMs: 10_000 }));
});
bus.subscribe('jobs.thread.exit', {}, () => process.exit(3));
bus.publish('jobs.thread.ready', { body: Body.of({}, 'msgpack') });
