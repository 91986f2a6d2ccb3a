import { RotaProcess } from './rota-process.ts';
import { PlainClient } from './plain-client.ts';
import { Load, seeded, states } from './load.ts';
const rota = await RotaProcess.make();
const wait = (ms: number) => new Promise((r) => setTimeout(r, ms));
try {
await rota.start();
const c = await PlainClient.to(rota.url); c.listen();
const load = new Load(c, seeded(1));
const t0 = performance.now();
for (let i=0;i<8;i++) { await wait(500); console.log(Math.round(performance.now()-t0), load.acknowledged.length, JSON.stringify(await states(c))); }
await rota.kill(); console.log('killed');
await rota.start(); console.log('restarted');
for (let i=0;i<6;i++) { await wait(500); console.log(Math.round(performance.now()-t0), load.acknowledged.length, JSON.stringify(await states(c))); }
await Promise.race([load.stop(), wait(3000)]); console.log('load stopped');
for (let i=0;i<12;i++) { await wait(1000); const s = await states(c); console.log(Math.round(performance.now()-t0), load.acknowledged.length, JSON.stringify(s)); if (!s.available && !s.executing && !s.retryable) break; }
const l = await c.ask('jobs.job.list', {state:['available','executing','retryable']}) as any;
console.log(l.jobs.slice(0,5));
await c.close();
} finally { console.log(rota.stray.slice(-10)); console.log(rota.lines.filter(l=>l.level>=40).slice(-10)); await rota.dispose(); }
