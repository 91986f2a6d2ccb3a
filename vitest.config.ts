import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^rota$/, replacement: source('index.ts') },
      { find: /^rota\/client$/, replacement: source('client/client.ts') },
      { find: /^rota\/supervisor$/, replacement: source('supervisor/supervisor.ts') },
      { find: /^rota\/testing$/, replacement: source('testing/testing.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/postgres/shared-server.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
