// Starts a server, tells about it, and waits to be killed.
import { startPostgres } from '../../support/postgres/postgres-server.ts';

const server = await startPostgres();
process.once('message', () => {
  server.freeze();
  process.send?.('frozen');
});
process.send?.({ url: server.url, logFile: server.logFile });
