import type { World } from './world.ts';

/**
 * Says that a stream still keeps events although their history is switched off: it is left alone, for what it holds
 * somebody may need. Says nothing where that cannot be known. Never rejects.
 */
export async function mentionLeftHistory({ settings, subjects, link, log }: World): Promise<void> {
  if (settings.eventHistoryMs !== undefined || !settings.roles.has('store')) return;
  const stream = subjects.eventStream();
  const kept = await link.history?.isKept(stream).catch(() => false);
  if (kept !== true) return;
  const text = `the event history is off, but the stream ${stream} still keeps events; "nats stream rm ${stream}" ends that`;
  log.info({ stream }, text);
}
