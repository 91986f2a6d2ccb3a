import { start } from '../../src/app/start.ts';

// What `rota start` does, at its smallest.
const { default: config } = await import(process.env.ROTA_CONFIG ?? '');
process.on('unhandledRejection', (reason) =>
  console.log(JSON.stringify({ level: 50, msg: 'rejection', reason: String(reason) })),
);
try {
  const rota = await start(config);
  let signals = 0;
  const onSignal = (): void => {
    signals += 1;
    if (signals > 1) process.exit(1);
    rota.stop().then(() => process.exit(0));
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  rota.ended.then((how) => how === 'gave-up' && process.exit(1));
} catch (error) {
  console.error(String((error as Error).message));
  process.exit(1);
}
