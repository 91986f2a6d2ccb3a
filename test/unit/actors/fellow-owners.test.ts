import { expect, test } from 'vitest';
import { FellowOwners } from '../../../src/actors/persistence/fellow-owners.ts';
import { RotaError } from '../../../src/kernel/error.ts';
import { MemoryBroker } from '../../../src/messaging/memory/memory-broker.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import { seededRandom } from '../../../src/testing/testing.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

const POLL_MS = 1_000;
/** Time enough for each to hear of the others. */
const SOON_MS = 10_000;

/** Two owners of one store on one bus. */
class World {
  readonly clock = new VirtualClock();
  readonly broker = new MemoryBroker({ clock: this.clock, random: seededRandom(1) });
  readonly owners = { a: this.#owner('a'), b: this.#owner('b') };

  #owner(node: string) {
    const subjects = new Subjects('jobs');
    const bus = this.broker.connect({ name: node, subjects, noEcho: true });
    const owner = { store: 'here' as 'here' | 'away' | 'silent', serves: true, looks: 0 };
    const ignore = (): void => {};
    new FellowOwners({
      ...{ bus, subjects, clock: this.clock, node, pollMs: POLL_MS },
      ...{ onWork: ignore, onRules: ignore, onWithdraw: ignore },
      look: async () => {
        owner.looks += 1;
        if (owner.store === 'away') throw new RotaError('unavailable', 'away');
        if (owner.store === 'silent') await new Promise(() => {});
      },
      onServes: (serves) => {
        owner.serves = serves;
      },
    });
    return owner;
  }

  /** Who serves when all is told. */
  async servers(): Promise<string[]> {
    await this.clock.advance(SOON_MS);
    return Object.entries(this.owners).flatMap(([node, { serves }]) => (serves ? [node] : []));
  }
}

test('an owner without the store leaves what it serves to those who have it, until it has it again', async () => {
  const world = new World();
  const { a } = world.owners;
  expect(await world.servers()).toEqual(['a', 'b']);
  a.store = 'away';
  expect(await world.servers()).toEqual(['b']);
  a.store = 'here';
  expect(await world.servers()).toEqual(['a', 'b']);
});

test('a store that gives no answer is away, too', async () => {
  const world = new World();
  expect(await world.servers()).toEqual(['a', 'b']);
  const { a } = world.owners;
  a.store = 'silent';
  expect(await world.servers()).toEqual(['b']);
  // It is not looked into once more while a look hangs.
  const { looks } = a;
  await world.clock.advance(SOON_MS);
  expect(a.looks).toBe(looks);
});

test('where nobody has the store all serve: those who ask have to be told', async () => {
  const world = new World();
  expect(await world.servers()).toEqual(['a', 'b']);
  world.owners.a.store = 'away';
  expect(await world.servers()).toEqual(['b']);
  world.owners.b.store = 'away';
  expect(await world.servers()).toEqual(['a', 'b']);
});

test('an owner that hears nobody serves, though it has no store', async () => {
  const world = new World();
  world.owners.a.store = 'away';
  expect(await world.servers()).toEqual(['b']);
  world.broker.down();
  expect(await world.servers()).toEqual(['a', 'b']);
});

test('one that stops leaves no timer, and its last words of work go out', async () => {
  const clock = new VirtualClock();
  const broker = new MemoryBroker({ clock, random: seededRandom(1) });
  const subjects = new Subjects('jobs');
  const told: unknown[] = [];
  const other = broker.connect({ name: 'b', subjects, noEcho: true });
  other.subscribe(subjects.hint('work', '*'), {}, ({ body }) => void told.push((body.value as { jobs: number }).jobs));
  const owner = new FellowOwners({
    ...{ bus: broker.connect({ name: 'a', subjects, noEcho: true }), subjects, clock, node: 'a', pollMs: POLL_MS },
    ...{ onWork: () => {}, onRules: () => {}, onWithdraw: () => {}, look: async () => {}, onServes: () => {} },
  });
  for (const jobs of [1, 2, 3]) owner.tellQueue('default', jobs);
  owner.stop();
  // What was under way in the store is committed after that.
  owner.tellQueue('default', 4);
  await clock.advance(0);
  expect(clock.pending).toBe(0);
  expect(told).toEqual([1, 5, 4]);
});
