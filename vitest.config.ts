import { defineConfig } from 'vitest/config';

// Mounts and clusters are processes with ports and mount points: one file at a time, each in a process of its own.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
  },
});
