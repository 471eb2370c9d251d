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
        // Mounts and clusters are processes that mostly wait: three files at a time, after what needs the processors.
        test: {
          ...limits,
          name: 'processes',
          globalSetup: 'test/built.ts',
          include: ['test/{posix,cluster}/**/*.test.ts'],
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
