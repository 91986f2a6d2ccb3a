import { busConformance } from './bus-conformance.ts';
import { directWorld, memoryGround, natsGround, portWorld, routeWorld, twoRoutesWorld } from './bus-worlds.ts';

busConformance('memory', { makeWorld: () => directWorld(memoryGround), leavesProcess: true });
busConformance('nats', { makeWorld: () => directWorld(natsGround), leavesProcess: true });
for (const [name, ground] of [
  ['memory', memoryGround],
  ['nats', natsGround],
] as const) {
  busConformance(`local route over ${name}, one process`, {
    makeWorld: () => routeWorld(ground, 'local'),
    leavesProcess: false,
  });
  busConformance(`local route over ${name}, two processes`, {
    makeWorld: () => twoRoutesWorld(ground, 'local'),
    leavesProcess: true,
  });
}
busConformance('broker route over nats', { makeWorld: () => routeWorld(natsGround, 'broker'), leavesProcess: true });
busConformance('broker route over memory, two processes', {
  makeWorld: () => twoRoutesWorld(memoryGround, 'broker'),
  leavesProcess: true,
});
busConformance('thread to main, over memory', {
  makeWorld: () => portWorld(memoryGround, { near: true, far: false }),
  leavesProcess: false,
});
busConformance('main to thread, over nats', {
  makeWorld: () => portWorld(natsGround, { near: false, far: true }),
  leavesProcess: false,
});
busConformance('thread to thread, over memory', {
  makeWorld: () => portWorld(memoryGround, { near: true, far: true }),
  leavesProcess: false,
});
