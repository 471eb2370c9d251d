import { defineConfig } from 'vitest/config';

const limits = { testTimeout: 30_000, hookTimeout: 60_000, teardownTimeout: 20_000, pool: 'forks' as const };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...limits,
          name: 'pure',
          include: ['test/{unit,fuzz,simulation}/**/*.test.ts'],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Mounts and clusters are processes with ports and mount points: one file at a time, each in a process of its own.
        test: {
          ...limits,
          name: 'processes',
          include: ['test/{posix,cluster}/**/*.test.ts'],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
