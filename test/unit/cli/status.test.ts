import { describe, expect, it } from 'vitest';
import { clusterStatus } from '../../../src/cli/inspection.js';
import { describe as inWords } from '../../../src/cli/status.js';
import { inWords as topInWords } from '../../../src/cli/top.js';
import type { Answer } from '../../../src/status/verdicts.js';
import { Watch } from '../../../src/status/watch.js';
import { cluster } from './four-replicas.js';

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

describe('top, in words', () => {
  const look = (...reports: unknown[]) => {
    const watch = new Watch({ cluster: cluster.id.toString('hex'), f: 1 });
    const answers = reports.map(
      (report): Answer => (report === null ? { kind: 'silence' } : { kind: 'report', report }),
    );
    return topInWords(cluster, watch.look(0, answers));
  };

  it('has a sentence, a line for each replica, and what is remarkable', () => {
    const suspicious = report({ suspicions: [{ replica: 3, why: 'invalid view-change' }] });
    const lines = look(suspicious, suspicious, report(), null).split('\n');
    expect(lines[1]).toBe(
      'Calls are answered: view 2, replica 2 is primary; but replica 3 suspected; replica 3 does not answer',
    );
    expect(lines[5]).toMatch(/^0 +127\.0\.0\.1:7400 +normal +2 +130 +128 +abababababababab/);
    expect(lines[8]).toMatch(/^3 +127\.0\.0\.1:7403 +down .* invalid view-change$/);
    expect(lines[9]).toBe('replica 0 suspects replica 3: invalid view-change');
  });

  it('shows nothing that a lying replica could move a cursor with', () => {
    for (const why of ['\x1b[2J', 'a\nb', '\u202e', '\x9b1A']) {
      const text = look(report({ suspicions: [{ replica: 3, why }] }), report(), report(), report());
      expect(text).not.toContain(why);
      expect(text).toContain('its report makes no sense: suspicions.0.why');
    }
  });
});
