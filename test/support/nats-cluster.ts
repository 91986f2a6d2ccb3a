import { connect } from '@nats-io/transport-node';
import { freePort } from './free-port.ts';
import { startNatsServer, type TestNatsServer } from './nats-server.ts';

/** Servers of one cluster with JetStream. */
export interface TestNatsCluster {
  readonly servers: readonly TestNatsServer[];
  /** All their URLs, with commas. */
  readonly urls: string;
  dispose(): Promise<void>;
}

/** Somebody else may take a port between its choice and its use. */
const TRIES = 5;

/** Starts a cluster. Resolves when it has elected a leader for JetStream. @param config lines for each of its servers */
export async function startNatsCluster(size = 3, config = ''): Promise<TestNatsCluster> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await startOnFreePorts(size, config);
    } catch (error) {
      if (tries === TRIES || !String(error).includes('address already in use')) throw error;
    }
  }
}

async function startOnFreePorts(size: number, config: string): Promise<TestNatsCluster> {
  const ports: number[] = [];
  while (ports.length < size) {
    const port = await freePort();
    if (!ports.includes(port)) ports.push(port);
  }
  const routes = ports.map((port) => `"nats://127.0.0.1:${port}"`).join(', ');
  const started = ports.map((port, index) =>
    startNatsServer({
      config: [
        ...[`server_name: test-${index}`, config],
        `cluster { name: test, listen: "127.0.0.1:${port}", routes: [ ${routes} ] }`,
      ].join('\n'),
    }),
  );
  const settled = await Promise.allSettled(started);
  const servers = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const dispose = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.dispose()));
  };
  try {
    await Promise.all(started);
    const urls = servers.map(({ url }) => url).join(',');
    await jetStreamAnswers(urls);
    return { servers, urls, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Asks until JetStream answers: it does not before a leader is elected. */
async function jetStreamAnswers(urls: string): Promise<void> {
  const connection = await connect({ servers: urls.split(',') });
  try {
    for (let tries = 1; ; tries += 1) {
      try {
        // It is the leader who answers this one.
        const reply = await connection.request('$JS.API.STREAM.NAMES', '', { timeout: 500 });
        if (reply.json<{ error?: object }>().error === undefined) return;
      } catch (error) {
        if (tries >= 60) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  } finally {
    await connection.close();
  }
}
