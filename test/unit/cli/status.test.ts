import { describe, expect, it } from 'vitest';
import { clusterStatus } from '../../../src/cli/inspection.js';
import { describe as inWords } from '../../../src/cli/status.js';
import { newCluster } from '../../../src/cluster/create.js';

const { cluster } = newCluster({
  replicas: 4,
  hosts: ['127.0.0.1'],
  basePort: 7400,
  clientNames: ['admin'],
  rootUid: 0,
  rootGid: 0,
  createdSeconds: 0,
});

const report = (more = {}) => ({
  ...{ view: 2, lastExecuted: 130, stableCheckpoint: 128, stateRoot: 'ab'.repeat(32), state: 'normal', ...more },
});
const scrub = (damaged: number, repaired: number) => ({
  scrub: { rows: 900, damaged, repaired, lastPass: 1, passes: 1, current: null, asked: false },
});
const transferred = (transfers: number) => ({
  transferred: { transfers, rows: 12, nodes: 3, bytes: 4_560_000 },
});
const text = (...reports: unknown[]) => inWords(cluster, clusterStatus(cluster, reports));

describe('the status in words', () => {
  it('has a line for each replica, and no more while all is well', () => {
    const well = report({ ...scrub(0, 0), ...transferred(0) });
    const lines = text(well, well, well, null).split('\n');
    expect(lines[0]).toMatch(/f = 1 {2}view 2 {2}quorum$/);
    expect(lines.slice(2).map((line) => line.split(/ {2,}/)[2])).toEqual([
      ...['normal', 'normal', 'normal', 'down'],
      undefined,
    ]);
    expect(lines[4]).toMatch(/^2 primary /);
  });

  it('says what a replica repaired, what it is repairing, and what it fetched', () => {
    const status = text(report(scrub(3, 3)), report(scrub(5, 3)), report(transferred(1)), report());
    expect(status).toContain('replica 0 found 3 rows of its state altered on its disk: repaired from the others\n');
    expect(status).toContain('replica 1 found 5 rows of its state altered on its disk: they are being repaired ');
    expect(status).toContain('replica 2 fetched 12 rows, 4.6 MB, in a state transfer\n');
    expect(status).not.toContain('replica 3');
  });

  it('says how far a state transfer has come', () => {
    const transfer = { sequence: 256, rows: 10, rowsMissing: 7, nodes: 1, nodesMissing: 1, bytes: 2_500_000 };
    expect(text(report({ state: 'transferring', transfer }), report(), report(), report())).toContain(
      'transferring: 10 rows, 2.5 MB; 7 rows or more to do',
    );
  });
});
