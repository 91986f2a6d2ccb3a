import { Worker } from 'node:worker_threads';
import { JobHost } from '../actors/executor/hosts/job-host.ts';
import { systemClock } from '../kernel/clock.ts';
import { type HostedProcess, hostedProcess } from '../supervisor/supervisor.ts';
import { type JobHostData, loadJobHost } from './job-host-data.ts';
import { siblingModule } from './sibling-module.ts';

// A process of the pool for jobs with isolation "process". The pool writes its last argument.
const data = JSON.parse(process.argv.at(-1) ?? '') as JobHostData;
// A handler that spins keeps this thread from noticing that the node has gone, so another one watches.
const guard = new Worker(siblingModule(import.meta.url, './job-host-guard'), { workerData: data.parentPid });
guard.unref();

const host = new JobHost({
  clock: systemClock,
  configFile: data.configFile,
  load: () => loadJobHost(data),
  post: (message) => child.post(message),
});
const child: HostedProcess = hostedProcess({ ...host.hosted, ignoreSignals: true });
