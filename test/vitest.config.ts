import { defineConfig, type ViteUserConfig } from 'vitest/config';

const source = (path: string): string => new URL(`../src/${path}`, import.meta.url).pathname;

const config: ViteUserConfig = defineConfig({
  resolve: {
    alias: {
      'resumable-migrator/postgres': source('postgres/index.ts'),
      'resumable-migrator/d1': source('d1/index.ts'),
      'resumable-migrator/memory': source('memory/index.ts'),
      'resumable-migrator/node': source('node/index.ts'),
      'resumable-migrator/report': source('report/index.ts'),
      'resumable-migrator/testing': source('testing/index.ts'),
      'resumable-migrator': source('index.ts'),
    },
  },
  test: {
    include: ['test/**/*.test.ts'],
    // Most of the time a test waits for its databases.
    maxWorkers: '100%',
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
export default config;
