import { type Call, defineCommand, EXIT, type Flags } from './command.ts';
import { eventLine } from './event-line.ts';
import { wholeNumber } from './flag-values.ts';
import { type Session, withSession } from './session.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';
import { UsageError } from './usage-error.ts';

const FLAGS = {
  count: { type: 'string', value: 'N', what: 'end after so many events' },
} as const satisfies Flags;

const COUNT_MAX = 999_999_999;

/** `rota watch`: events as they happen. */
export const watch = defineCommand({
  name: 'watch',
  summary: 'show events as they happen',
  positionals: [{ name: 'SUBJECT', what: 'a NATS subject, with * and >; default: every event, jobs.events.>' }],
  flags: FLAGS,
  settings: CONNECTION_SETTINGS,
  examples: ['rota watch', `rota watch 'jobs.events.job.*.completed' --count 10`, 'rota watch --json | jq .data.error'],
  notes: [
    'On a terminal an event is a readable line; elsewhere, and with --json, it is a CloudEvent in JSON, a line each.',
  ],
  run: async (call) => {
    const { count } = call.flags;
    const limit = count === undefined ? Number.POSITIVE_INFINITY : wholeNumber('--count', count, COUNT_MAX);
    const [subject] = call.positionals;
    if (subject !== undefined) checkPattern(subject);
    return withSession(call, (session) => show(call, session, { subject, limit }));
  },
});

/** @throws UsageError for what no NATS server would take */
function checkPattern(subject: string): void {
  const tokens = subject.split('.');
  const wrong = tokens.some((token, at) => !/^\S+$/.test(token) || (token === '>' && at < tokens.length - 1));
  if (wrong) {
    throw new UsageError(
      `${JSON.stringify(subject)} is no NATS subject`,
      `quote it for the shell: 'jobs.events.job.>'`,
    );
  }
}

async function show(
  { out, json, world }: Call<typeof FLAGS>,
  { client, prefix, place }: Session,
  { subject, limit }: { subject: string | undefined; limit: number },
): Promise<number> {
  const pattern = subject ?? `${prefix}.events.>`;
  const events = client.events({ subject: pattern });
  const unlisten = world.onSignal(['SIGINT', 'SIGTERM', 'SIGHUP'], () => void events.return?.());
  // The subscription goes before this request on the same connection: once it is answered, no event is missed.
  void client.nodes.list().then(
    () => out.note(`watching ${pattern} at ${place}`),
    () => out.note(`watching ${pattern} at ${place}, where no Rota answers at the moment`),
  );
  const readable = out.terminal && !json;
  let seen = 0;
  try {
    for await (const event of events) {
      if (readable) out.line(eventLine(event, out));
      else out.line(JSON.stringify(withoutSubject(event)));
      seen += 1;
      if (seen >= limit) break;
    }
  } finally {
    unlisten();
  }
  return EXIT.ok;
}

/** The CloudEvent alone; what is none keeps the subject that it came on. */
function withoutSubject(event: { natsSubject: string; specversion?: unknown }): object {
  if (event.specversion === undefined) return event;
  const { natsSubject: _natsSubject, ...cloudEvent } = event;
  return cloudEvent;
}
