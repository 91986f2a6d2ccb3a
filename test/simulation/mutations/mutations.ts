import { LOST_MUTATIONS } from './lost-mutations.ts';
import type { Mutation } from './mutation.ts';
import { ORDER_MUTATIONS } from './order-mutations.ts';
import { OWNER_MUTATIONS } from './owner-mutations.ts';
import { RESTART_MUTATIONS } from './restart-mutations.ts';
import { RULE_MUTATIONS } from './rule-mutations.ts';

/** Every planted bug. */
export const MUTATIONS: readonly Mutation[] = [
  ...OWNER_MUTATIONS,
  ...ORDER_MUTATIONS,
  ...LOST_MUTATIONS,
  ...RULE_MUTATIONS,
  ...RESTART_MUTATIONS,
];
