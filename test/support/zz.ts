import { RotaProcess } from './rota-process.ts';
import { PlainClient } from './plain-client.ts';
import { Load, seeded, states } from './load.ts';
const rota = await RotaProcess.make();
const wait = (ms: number) => new Promise((r) => setTimeout(r, ms));
try {
await rota.start();
const c = await PlainClient.to(rota.url); c.listen();
const load = new Load(c, seeded(11));
const t0 = performance.now();
const say = (x: string) => console.log(Math.round(performance.now()-t0), x);
await load.more(40); say('40');
for (let life=0; life<2; life++) {
 const from = rota.lines.length;
 process.kill(rota.natsPid, 'SIGKILL');
 await rota.line(({ msg, id }) => msg === 'child-restarted' && id === 'nats-server', from); say('restarted');
 await Promise.race([load.more(30), wait(8000)]); say('30 more ' + load.acknowledged.length);
}
await Promise.race([load.stop(), wait(3000)]); console.log('load stopped');
for (let i=0;i<12;i++) { await wait(1000); const s = await states(c); say(load.acknowledged.length+ JSON.stringify(s)); if (!s.available && !s.executing && !s.retryable) break; }
say('untold '+ load.acknowledged.filter((id)=>!c.ends.has(id)).length);
console.log(c.events.filter(e=>e.type.startsWith('jobs.supervisor')||e.type.startsWith('jobs.node')).map(e=>e.type+' '+e.subject));
await c.close();
} finally { console.log(rota.stray.slice(-10)); console.log(rota.lines.filter(l=>l.level>=30).slice(-30).map(l=>`${l.time} ${l.msg} ${l.id??''} ${l.reason??''} ${l.error??''}`)); await rota.dispose(); }
