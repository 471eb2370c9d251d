import { defineConfig } from 'vitest/config';

// What hangs ends some time: machines that others use too are five times slower now and then.
const limits = { testTimeout: 120_000, hookTimeout: 180_000, teardownTimeout: 60_000, pool: 'forks' as const };

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
