import { errorText } from '../kernel/error.ts';
import type { ChildRecord } from './child-record.ts';
import { restartsOf } from './child-record.ts';
import type { ChildType } from './child-spec.ts';
import { nestedOf } from './nested.ts';

/** One member of a supervision tree as plain data, to be shown outside of the process. */
export interface TreeNode {
  readonly id: string;
  readonly type: ChildType;
  readonly status: 'running' | 'restarting' | 'stopped';
  /** The number of its latest life, from 1. */
  readonly incarnation: number;
  /** How often it was started again. */
  readonly restarts: number;
  /** Why its last life ended or did not begin, in words. */
  readonly lastReason?: string;
  /** In start order; only for supervisors that run. */
  readonly children?: readonly TreeNode[];
}

/** A child, with all below it. */
export function treeNode(record: ChildRecord): TreeNode {
  const actor = record.life?.actor;
  const nested = actor && nestedOf(actor);
  return {
    id: record.spec.id,
    type: record.spec.type,
    status: record.status === 'running' && !actor ? 'stopped' : record.status,
    incarnation: record.incarnation,
    restarts: restartsOf(record),
    ...(record.lastReason === undefined ? {} : { lastReason: errorText(record.lastReason) }),
    ...(nested ? { children: nested.children() } : {}),
  };
}
