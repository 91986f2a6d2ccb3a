import type { EnqueueOptions } from '../client/client.ts';
