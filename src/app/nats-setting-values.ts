import { duration, type Issues } from '../kernel/check.ts';

/** Where NATS is: a server of our own, started with the node, or given ones. */
export type NatsPlace = { kind: 'embedded'; host: string; port: number } | { kind: 'servers'; servers: string[] };

/** The shortest event history, in milliseconds. */
const HISTORY_MS_MIN = 1_000;

/** Reads where NATS is. */
export function natsPlace(value: unknown, path: string, issues: Issues): NatsPlace | undefined {
  const place = typeof value === 'string' ? value.trim() : '';
  const embedded = /^embedded:\/\/([^:/]+|\[[0-9a-f:]+\]):(\d{1,5})$/.exec(place);
  if (embedded?.[1] !== undefined && Number(embedded[2]) <= 65_535) {
    return { kind: 'embedded', host: embedded[1], port: Number(embedded[2]) };
  }
  const servers = place.split(',').map((server) => server.trim());
  if (!place.startsWith('embedded:') && servers.every((server) => /^(?:(?:nats|tls):\/\/)?[^\s/,]+$/.test(server))) {
    return { kind: 'servers', servers };
  }
  return issues.add(path, 'must be embedded://host:port, or nats://host:port[,nats://host:port…]');
}

/** Reads the first tokens of reply subjects. */
export function inboxPrefix(value: unknown, path: string, issues: Issues): string | undefined {
  if (typeof value === 'string' && /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(value)) return value;
  return issues.add(path, 'must be one or more tokens, like _INBOX.rota');
}

/** Reads on how many servers a stream is kept. */
export function replicas(value: unknown, path: string, issues: Issues): number | 'auto' | undefined {
  if (value === 'auto') return value;
  const number = Number(value);
  if (Number.isInteger(number) && number >= 1 && number <= 5) return number;
  return issues.add(path, 'must be auto, or a number from 1 to 5');
}

/** Reads how long events are kept; `off`: not at all. */
export function historyTime(value: unknown, path: string, issues: Issues): { keepMs: number | undefined } | undefined {
  if (value === 'off') return { keepMs: undefined };
  const keepMs = duration(value, path, issues);
  if (keepMs === undefined || keepMs >= HISTORY_MS_MIN) return { keepMs };
  return issues.add(path, 'must be at least 1s, or off');
}
