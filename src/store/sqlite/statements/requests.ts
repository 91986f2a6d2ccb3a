import type { Verb } from '../verb.ts';

/** None: the file is this process's alone, so that no other program can have written one. */
export const takeRequests: Verb<'takeRequests'> = () => ({ requests: [], more: false });

/** Nothing to do: none was taken. */
export const finishRequests: Verb<'finishRequests'> = () => null;

/** Nothing to do: none was taken. */
export const holdRequests: Verb<'holdRequests'> = () => null;
