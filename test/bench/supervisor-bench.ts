import { startSupervisor } from 'rota/supervisor';
import { createMachine } from 'xstate';

/** What one child costs a supervisor with so many of them, in microseconds. */
export interface SupervisorCost {
  children: number;
  startUs: number;
  /** one_for_all: one child fails, all are stopped in reverse and started again. */
  restartUs: number;
  stopUs: number;
}

const child = createMachine({
  initial: 'running',
  states: {
    running: { on: { shutdown: 'done', fail: 'failed' } },
    done: { type: 'final' },
    failed: {
      entry: () => {
        throw new Error('told to fail');
      },
    },
  },
});

/** Starts, restarts and stops a supervisor: linear means that the cost of one child stays the same. */
export async function supervisorCost(children: number): Promise<SupervisorCost> {
  const restarted = Promise.withResolvers<void>();
  const startedMs = performance.now();
  const supervisor = await startSupervisor(
    {
      name: 'bench',
      strategy: 'one_for_all',
      children: Array.from({ length: children }, (_, index) => ({ id: `child-${index}`, start: () => child })),
    },
    {
      onReport: ({ type, id }) => {
        if (type === 'child-restarted' && id === `child-${children - 1}`) restarted.resolve();
      },
    },
  );
  const runningMs = performance.now();
  supervisor.child('child-0')?.send({ type: 'fail' });
  await restarted.promise;
  const restartedMs = performance.now();
  await supervisor.stop();
  const perChild = (ms: number): number => Number(((ms * 1_000) / children).toFixed(1));
  return {
    children,
    startUs: perChild(runningMs - startedMs),
    restartUs: perChild(restartedMs - runningMs),
    stopUs: perChild(performance.now() - restartedMs),
  };
}

/** The cost of one child among 1,000, 4,000 and 16,000, after a round that warms the machine up. */
export async function supervisorCosts(): Promise<SupervisorCost[]> {
  await supervisorCost(1_000);
  return [await supervisorCost(1_000), await supervisorCost(4_000), await supervisorCost(16_000)];
}

if (import.meta.main) console.table(await supervisorCosts());
