// Loaded before a program by `--import`: its wall clock is so many milliseconds off, in all of its threads.
const skewMs = Number(process.env.ROTA_TEST_SKEW_MS ?? 0);
const { now } = Date;
Date.now = () => now() + skewMs;
