import { describe, expect, it } from 'vitest';
import {
  type DynamicSupervisor,
  type DynamicSupervisorOptions,
  dynamicSupervisor,
  type Report,
  startDynamicSupervisor,
} from '../../../src/supervisor/supervisor.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { BOOM, child, refusal, World, worker } from './harness.ts';

async function start(options: Partial<DynamicSupervisorOptions> = {}) {
  const clock = new VirtualClock();
  const reports: Report[] = [];
  const sup = await startDynamicSupervisor(
    { name: 'pool', intensity: 10, child: child('job'), ...options },
    { clock, onReport: (report) => reports.push(report) },
  );
  return { sup, clock, reports };
}

/** A start that notes what it is given. */
const noting = (seen: unknown[]) => (input: unknown) => {
  seen.push(input);
  return worker();
};

const ids = (sup: DynamicSupervisor) => sup.whichChildren().map((row) => row.id);

describe('a dynamic supervisor', () => {
  it('starts without children, and one more from the template at each call', async () => {
    const seen: unknown[] = [];
    const template = { ...child('job'), input: 'default', start: noting(seen) };
    const { sup } = await start({ child: template });
    expect(sup.countChildren()).toEqual({ specs: 1, active: 0, supervisors: 0, workers: 0 });
    const first = await sup.startChild({ n: 1 });
    await sup.startChild();
    expect(first.id).toBe('job-1');
    expect(ids(sup)).toEqual(['job-2', 'job-1']);
    expect(seen).toEqual([{ n: 1 }, 'default']);
    expect(sup.countChildren()).toEqual({ specs: 1, active: 2, supervisors: 0, workers: 2 });
    await sup.stop();
  });

  it('restarts a child with what it was started with; the id stays', async () => {
    const seen: unknown[] = [];
    const template = { ...child('job'), start: noting(seen) };
    const { sup, clock } = await start({ child: template });
    const actor = await sup.startChild('x');
    actor.send({ type: 'crash' });
    await clock.settle();
    expect(seen).toEqual(['x', 'x']);
    expect(sup.whichChildren()).toMatchObject([{ id: 'job-1', incarnation: 2, restarts: 1 }]);
    await sup.stop();
  });

  it('forgets a child that ends for good or is terminated', async () => {
    const { sup, clock } = await start({ child: child('job', { restart: 'transient' }) });
    const actor = await sup.startChild();
    await sup.startChild();
    actor.send({ type: 'finish' });
    await clock.settle();
    expect(ids(sup)).toEqual(['job-2']);
    await sup.terminateChild('job-2');
    expect(ids(sup)).toEqual([]);
    expect(await refusal(sup.terminateChild('job-2'))).toBe('not_found');
    await sup.stop();
  });

  it('refuses what simple_one_for_one refuses, and more children than allowed', async () => {
    const { sup } = await start({ maxChildren: 1 });
    await sup.startChild();
    expect(await refusal(sup.startChild())).toBe('max_children');
    expect(await refusal(sup.restartChild('job-1'))).toBe('simple_one_for_one');
    expect(await refusal(sup.deleteChild('job-1'))).toBe('simple_one_for_one');
    await sup.terminateChild('job-1');
    await sup.startChild();
    await sup.stop();
    expect(await refusal(sup.startChild())).toBe('noproc');
  });

  it('a child that does not start is not kept', async () => {
    const { sup } = await start({
      child: {
        id: 'job',
        start: () => {
          throw BOOM;
        },
      },
    });
    expect(await sup.startChild().catch((error) => error)).toMatchObject({
      code: 'failed_to_start_child',
      cause: BOOM,
    });
    expect(ids(sup)).toEqual([]);
    await sup.stop();
  });

  it('stops its children together', async () => {
    const { sup, clock, reports } = await start({ child: child('job', { shutdown: 'after 100' }) });
    for (let n = 0; n < 10; n++) await sup.startChild();
    const stopped = sup.stop();
    await clock.advance(100);
    expect(await stopped).toBe('shutdown');
    expect(reports.filter((report) => report.type === 'child-exited').length).toBe(10);
    expect(clock.pending).toBe(0);
  });

  it('gives up like any other, and shuts down with its last significant child', async () => {
    const { sup, clock } = await start({ intensity: 0 });
    const actor = await sup.startChild();
    actor.send({ type: 'crash' });
    await clock.settle();
    expect(await sup.exited).toBe('shutdown');
    const significant = child('job', { restart: 'temporary', significant: true });
    const second = await start({ autoShutdown: 'all_significant', child: significant });
    const [one, two] = [await second.sup.startChild(), await second.sup.startChild()];
    one.send({ type: 'finish' });
    await second.clock.settle();
    expect(ids(second.sup)).toEqual(['job-2']);
    two.send({ type: 'finish' });
    expect(await second.sup.exited).toBe('shutdown');
  });

  it('can be nested', async () => {
    const world = new World();
    const start = () => dynamicSupervisor({ name: 'pool', child: child('job') });
    await world.start({ children: [{ id: 'pool', type: 'supervisor', start }] });
    await world.sup.dynamicSupervisor('pool')?.startChild();
    expect(world.sup.supervisor('pool')?.countChildren().active).toBe(1);
    await world.sup.stop();
    expect(world.lines()).toEqual([
      'child-started pool#1',
      'child-started pool/job-1#1',
      'child-exited pool/job-1#1 shutdown',
      'child-exited pool#1 shutdown',
    ]);
  });
});
