/** A line of the server's log. */
export interface ServerLine {
  /** An error of the server, or why it ends. */
  readonly severe: boolean;
  /** Without process number, time and severity. */
  readonly text: string;
}

const LOG_LINE = /^\[\d+\] \S+ \S+ \[([A-Z]{3})\] (.*)$/;

/** Reads `[123] 2026/01/31 10:00:00.000000 [INF] Server is ready`; any other line is told as it is. */
export function readServerLine(line: string): ServerLine {
  const match = LOG_LINE.exec(line);
  if (!match) return { severe: false, text: line };
  const [, severity = '', text = ''] = match;
  return { severe: severity === 'ERR' || severity === 'FTL', text };
}

/** True of the line with which the server says that it takes connections. */
export function isServerReady(line: string): boolean {
  return readServerLine(line).text === 'Server is ready';
}
