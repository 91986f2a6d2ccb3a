import { beforeEach, expect, it } from 'vitest';
import { type Dial, DialPace } from '../../../src/store/postgres/dial-pace.ts';
import { VirtualClock } from '../../../src/testing/testing.ts';

let clock: VirtualClock;
let chance: number;
let pace: DialPace;
beforeEach(() => {
  clock = new VirtualClock();
  chance = 0;
  pace = new DialPace({ clock, random: () => chance });
});

/** A dial that may be made. */
function dial(): Dial {
  const begun = pace.begin();
  if ('refusal' in begun) throw new Error('no dial may be made');
  return begun;
}

const refused = (): boolean => 'refusal' in pace.begin();

/** How long after a failure the next dial may be made, in milliseconds. */
async function waitMs(): Promise<number> {
  for (let ms = 0; ms <= 5_000; ms += 25) {
    const begun = pace.begin();
    if (!('refusal' in begun)) {
      begun.failed(new Error('away'));
      return ms;
    }
    await clock.advance(25);
  }
  throw new Error('none may be made');
}

it('doubles the waits up to a second, and chance makes them half as long again', async () => {
  dial().failed(new Error('away'));
  const waits = [await waitMs(), await waitMs(), await waitMs(), await waitMs(), await waitMs()];
  expect(waits).toEqual([125, 250, 500, 1_000, 1_000]);
  chance = 0.999;
  // The one before was drawn with the chance of then.
  await waitMs();
  expect([await waitMs(), await waitMs()]).toEqual([1_500, 1_500]);
});

it('lets one dial at a time try a server that is away, and tells all others what the last one met', async () => {
  const away = new Error('away');
  dial().failed(away);
  expect(pace.begin()).toEqual({ refusal: away });
  await clock.advance(125);
  const tryingOut = dial();
  await clock.advance(60_000);
  expect(refused()).toBe(true);
  const later = new Error('still away');
  tryingOut.failed(later);
  expect(pace.begin()).toEqual({ refusal: later });
});

it('lets all dial that can be reached, or was just now', async () => {
  const many = [dial(), dial(), dial()];
  for (const one of many) one.reached();
  dial().failed(new Error('away'));
  await clock.advance(125);
  dial().reached();
  for (const one of [dial(), dial(), dial()]) one.reached();
});

it('counts dials that were under way together as one', async () => {
  const [first, second, third] = [dial(), dial(), dial()];
  for (const one of [first, second, third]) one.failed(new Error('away'));
  expect(refused()).toBe(true);
  await clock.advance(125);
  expect(refused()).toBe(false);
});
