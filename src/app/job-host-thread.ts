import { workerData } from 'node:worker_threads';
import { JobHost } from '../actors/executor/hosts/job-host.ts';
import { systemClock } from '../kernel/clock.ts';
import { type HostedThread, hostedThread } from '../supervisor/supervisor.ts';
import { type JobHostData, loadJobHost } from './job-host-data.ts';

// A thread of the pool for jobs with isolation "thread". The pool fills this in.
const data = workerData as JobHostData;
const host = new JobHost({
  clock: systemClock,
  configFile: data.configFile,
  load: () => loadJobHost(data),
  post: (message) => thread.post(message),
});
const thread: HostedThread = hostedThread(host.hosted);
