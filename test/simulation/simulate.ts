import { runPlan } from './run.ts';
import { planOf } from './plan.ts';
import { lineText } from './trace.ts';

const seed = Number(process.argv[2] ?? 1);
const plan = planOf(seed, 'safety');
const r = await runPlan(plan);
console.log(seed, plan.topology, plan.nodes.map((n) => n.roles.join('+')).join(' '), plan.faults.length, 'faults', r.broken.length, 'broken', r.jobs, 'jobs', (r.simulatedMs / r.realMs).toFixed(0), 'x', r.realMs.toFixed(0), r.fingerprint.slice(0, 12), r.trace.count);
console.log(r.sightings.text());
for (const b of r.broken.slice(0, 10)) console.log(b.atMs / 1000, b.rule, b.about, b.words);
if (process.argv[3] === 'trace') for (const l of r.trace.lines) console.log(lineText(l));
