/** The oldest server that Rota supports; older ones are refused. */
export const VERSION_MIN = '2.9.4';

/** From here on a server can sync each JetStream write (`sync_interval: always`). */
export const SYNC_VERSION_MIN = '2.10.0';

const VERSION = /v?(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)/;

/** The version in what `nats-server --version` prints (`nats-server: v2.9.10` gives `2.9.10`). */
export function versionIn(text: string): string | undefined {
  return VERSION.exec(text)?.[1];
}

/**
 * Orders two versions: below 0 when `left` is older, 0 when they are the same. A pre-release (`2.10.0-RC.1`) is older
 * than its release; pre-releases of one release are not told apart.
 */
export function compareVersions(left: string, right: string): number {
  const [leftNumbers = '', leftPre] = split(left);
  const [rightNumbers = '', rightPre] = split(right);
  const ours = leftNumbers.split('.').map(Number);
  const theirs = rightNumbers.split('.').map(Number);
  for (let index = 0; index < Math.max(ours.length, theirs.length); index++) {
    const difference = (ours[index] ?? 0) - (theirs[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return Number(leftPre === undefined) - Number(rightPre === undefined);
}

function split(version: string): [string, string | undefined] {
  const dash = version.indexOf('-');
  return dash < 0 ? [version, undefined] : [version.slice(0, dash), version.slice(dash + 1)];
}
