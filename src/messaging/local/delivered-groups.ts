import type { Envelope, Headers } from '../bus.ts';

/** Groups of which a member in the sender's process has had the message already, with `,` between them. */
const DELIVERED_GROUPS_HEADER = 'Rota-Delivered-Groups';

/** The message for other processes, with the groups that have had it here. */
export function withDeliveredGroups(envelope: Envelope, groups: readonly string[]): Envelope {
  if (groups.length === 0) return envelope;
  return { body: envelope.body, headers: { ...envelope.headers, [DELIVERED_GROUPS_HEADER]: groups.join(',') } };
}

/** Whether a member of the group in the sender's process has had the message. */
export const hadByGroup = (headers: Headers, group: string): boolean =>
  headers[DELIVERED_GROUPS_HEADER]?.split(',').includes(group) ?? false;
