import { describe, expect, it } from 'vitest';
import { Histogram } from '../../../src/histogram.js';
import { headline } from '../../../src/status/headline.js';
import type { Answer } from '../../../src/status/verdicts.js';
import { Watch } from '../../../src/status/watch.js';

const ROOT = 'ab'.repeat(32);
const OTHER = 'cd'.repeat(32);
const SILENCE: Answer = { kind: 'silence' };

const report = (more = {}): Answer => ({
  kind: 'report',
  report: { view: 2, lastExecuted: 300, stableCheckpoint: 256, stateRoot: ROOT, state: 'normal', ...more },
});
const watch = () => new Watch({ cluster: '00', f: 1 });
const well = report();

describe('a watched cluster', () => {
  it('is compared at one checkpoint, also where a replica comes to it later', () => {
    const watching = watch();
    const first = watching.look(0, [well, well, report({ stableCheckpoint: 128, stateRoot: OTHER }), SILENCE]);
    expect(first.agreement).toEqual({ checkpoint: 256, root: ROOT, replicas: [0, 1] });
    expect(first.status.replicas.map(({ suspected }) => suspected)).toEqual([null, null, null, null]);
    const next = report({ stableCheckpoint: 384, stateRoot: OTHER });
    const later = watching.look(2000, [next, next, report({ stateRoot: OTHER }), SILENCE]);
    expect(later.status.replicas[2].suspected).toBe('its state is not that which 2 others had at checkpoint 256');
  });

  it('has a liar in a view where no quorum can be only if that is so twice in a row', () => {
    const watching = watch();
    const ahead = report({ view: 9 });
    const suspected = (...answers: Answer[]) => watching.look(0, answers).status.replicas[3].suspected;
    expect(suspected(well, well, well, ahead)).toBeNull();
    expect(suspected(well, well, well, ahead)).toBe('says view 9, in which no quorum can be');
    // The others follow: it was a view change.
    expect(suspected(well, well, ahead, ahead)).toBeNull();
    expect(suspected(ahead, ahead, ahead, ahead)).toBeNull();
    // Who is still behind, or between views, is no liar.
    expect(suspected(ahead, ahead, ahead, well)).toBeNull();
    expect(suspected(well, well, well, report({ view: 9, state: 'view-change' }))).toBeNull();
  });

  it('has as many calls a second as f+1 replicas say, whatever one of them says', () => {
    const watching = watch();
    const working = (calls: number, latencies: number[] = []): Answer => {
      const latency = new Histogram([0.01, 0.1]);
      for (const each of latencies) latency.add(each);
      return report({ work: { batches: 1, calls, reads: 10, viewChanges: 0, latency: latency.figures() } });
    };
    watching.look(0, [working(100), working(100), working(100), working(0)]);
    const { rates, vouched } = watching.look(2000, [
      ...[working(300, [0.005, 0.02]), working(298), working(290)],
      working(1_000_000, [5, 5, 5]),
    ]);
    expect(rates.map(({ callsPerSecond }) => callsPerSecond)).toEqual([100, 99, 95, 500_000]);
    expect(vouched.callsPerSecond).toBe(100);
    expect(vouched.p50).toBe(0.01);
    // One that was started anew has none.
    const again = watching.look(4000, [working(0), working(300), working(300), SILENCE]);
    expect(again.rates.map(({ callsPerSecond }) => callsPerSecond)).toEqual([null, 1, 5, null]);
  });

  it.each([
    ['well', [well, well, well, well], 'All 4 replicas are well: view 2, replica 2 is primary'],
    [
      'doubtful',
      [well, well, well, SILENCE],
      'Calls are answered: view 2, replica 2 is primary; but replica 3 does not answer',
    ],
    [
      'doubtful',
      [well, well, report({ state: 'recovering' }), well],
      'Calls are answered: view 2, replica 2 is primary; replica 2: recovering',
    ],
    [
      'bad',
      [well, well, SILENCE, SILENCE],
      'No quorum: 3 of 4 replicas in one view are needed; replica 2, 3 does not answer',
    ],
    [
      'bad',
      [well, well, { kind: 'fault', why: 'a' }, { kind: 'fault', why: 'b' }],
      'More than f = 1 replicas seem faulty: replica 2, 3 suspected',
    ],
  ] as [string, Answer[], string][])('is %s in a sentence', (level, answers, text) => {
    expect(headline(watch().look(0, answers).status)).toEqual({ level, text });
  });
});
