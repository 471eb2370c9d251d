import { describe, expect, it } from 'vitest';
import { barrier } from '../../../src/cli/barrier.js';
import { clusterStatus } from '../../../src/cli/inspection.js';
import { cluster } from './four-replicas.js';

const K = 10;

/** A cluster that executes each operation at once; replica i's checkpoint becomes stable `lag[i]` looks later. */
function fake(executed: number, lag: (number | null)[]) {
  let ordered = executed;
  let looks = 0;
  const history: number[] = [];
  return {
    count: () => ordered - executed,
    orderNull: async () => void ordered++,
    inspect: async () => {
      history[looks++] = ordered;
      return clusterStatus(
        cluster,
        lag.map((late) => {
          if (late === null) return null;
          const seen = history[Math.max(0, looks - 1 - late)];
          const stableCheckpoint = Math.floor(seen / K) * K;
          const stateRoot = stableCheckpoint === 0 ? '' : stableCheckpoint.toString(16).padStart(64, '0');
          return { view: 0, lastExecuted: ordered, stableCheckpoint, stateRoot, state: 'normal' };
        }),
      );
    },
  };
}

const options = { checkpointInterval: K, timeoutMs: 2000 };

describe('barrier', () => {
  it('goes on to the next checkpoint, not much further', async () => {
    const ports = fake(13, [0, 0, 0, 0]);
    const status = await barrier(ports, options);
    expect(status.replicas.map((r) => r.stableCheckpoint)).toEqual([20, 20, 20, 20]);
    expect(ports.count()).toBeLessThanOrEqual(2 * K);
  });

  it('takes a new cluster to its first checkpoint', async () => {
    const status = await barrier(fake(0, [0, 0, 0, 0]), options);
    expect(status.replicas[0].stableCheckpoint).toBeGreaterThan(0);
  });

  it('orders nothing where all is covered already', async () => {
    const ports = fake(20, [0, 0, 0, 0]);
    await barrier(ports, options);
    expect(ports.count()).toBe(0);
  });

  it('waits for the slow ones and passes over those that are down', async () => {
    const status = await barrier(fake(13, [0, 3, 5, null]), options);
    expect(new Set(status.replicas.slice(0, 3).map((r) => r.stableCheckpoint)).size).toBe(1);
    expect(status.replicas[3].up).toBe(false);
  });

  it('is not led far by a replica that claims to be ahead', async () => {
    const honest = fake(13, [0, 0, 0, 0]);
    const inspect = async () => {
      const status = await honest.inspect();
      status.replicas[0].lastExecuted = 2 ** 50;
      return status;
    };
    await barrier({ ...honest, inspect }, options);
    expect(honest.count()).toBeLessThanOrEqual(2 * K);
  });

  it('gives up in time, and orders a bounded number of operations', async () => {
    const ports = fake(13, [0, 0, 0, 1_000_000]);
    await expect(barrier(ports, { ...options, timeoutMs: 300 })).rejects.toThrow(/no barrier after 0.3 s/);
    expect(ports.count()).toBeLessThanOrEqual(2 * K);
  });

  it('needs f+1 answers', async () => {
    await expect(barrier(fake(13, [0, null, null, null]), options)).rejects.toThrow('fewer than f+1 = 2');
  });
});
