import { describe, expect, it } from 'vitest';
import { clusterStatus, inspectAll } from '../../../src/cli/inspection.js';
import { highestShared } from '../../../src/status/verdicts.js';
import { cluster } from './four-replicas.js';

const ROOT = 'ab'.repeat(32);
const OTHER_ROOT = 'cd'.repeat(32);
const report = (more = {}) => ({
  view: 2,
  lastExecuted: 130,
  stableCheckpoint: 128,
  stateRoot: ROOT,
  state: 'normal',
  transfer: null,
  transferred: { transfers: 1, rows: 2, nodes: 3, bytes: 4 },
  suspicions: [],
  ...more,
});
const four = (...reports: unknown[]) => clusterStatus(cluster, reports);

describe('cluster status', () => {
  it('has the documented shape', () => {
    expect(four(report(), report(), report(), null)).toEqual({
      cluster: cluster.id.toString('hex'),
      f: 1,
      view: 2,
      primary: 2,
      quorum: true,
      replicas: [
        ...[0, 1, 2].map((id) => ({
          id,
          up: true,
          incarnation: 0,
          view: 2,
          lastExecuted: 130,
          stableCheckpoint: 128,
          stateRoot: ROOT,
          state: 'normal',
          transfer: null,
          transferred: { transfers: 1, rows: 2, nodes: 3, bytes: 4 },
          suspected: null,
          suspicions: [],
          scrub: null,
          recovery: null,
          work: null,
        })),
        {
          id: 3,
          up: false,
          incarnation: null,
          view: null,
          lastExecuted: null,
          stableCheckpoint: null,
          stateRoot: null,
          state: null,
          transfer: null,
          transferred: null,
          suspected: null,
          suspicions: [],
          scrub: null,
          recovery: null,
          work: null,
        },
      ],
    });
  });

  it('passes on how far a state transfer is', () => {
    const transfer = { sequence: 256, rows: 10, rowsMissing: 5, nodes: 3, nodesMissing: 1, bytes: 4096 };
    const { replicas } = four(report({ state: 'transferring', transfer }), report(), report(), report());
    expect(replicas[0]).toMatchObject({ state: 'transferring', transfer });
    const nonsense = four(report({ transfer: { ...transfer, rows: -1 } }), report(), report(), report());
    expect(nonsense.replicas[0].suspected).toBe('its report makes no sense: transfer.rows');
  });

  it('passes on how a replica recovers', () => {
    const recovery = { phase: 'checking', completed: 4, last: 1_790_000_000_000, missed: 1 };
    const { replicas } = four(report({ recovery }), report(), report(), report());
    expect([replicas[0].recovery, replicas[1].recovery]).toEqual([recovery, null]);
    const nonsense = four(report({ recovery: { ...recovery, completed: -1 } }), report(), report(), report());
    expect(nonsense.replicas[0].suspected).toBe('its report makes no sense: recovery.completed');
  });

  it('takes the view that f+1 report, whatever one of them claims', () => {
    expect(four(report({ view: 9 }), report(), report(), report())).toMatchObject({ view: 2, primary: 2 });
    expect(four(report({ view: 1 }), report({ view: 2 }), null, null)).toMatchObject({ view: null, primary: null });
    expect(highestShared([1, 1, 3, 3, null], 2)).toBe(3);
  });

  it('has a quorum only of 2f+1 in that view and in normal state', () => {
    expect(four(report(), report(), null, null).quorum).toBe(false);
    expect(four(report(), report(), report({ state: 'recovering' }), null).quorum).toBe(false);
    expect(four(report(), report(), report({ view: 3 }), null).quorum).toBe(false);
    expect(four(report(), report(), report(), report({ view: 3 })).quorum).toBe(true);
  });

  it('suspects a replica whose state differs from that of f+1 others at one checkpoint', () => {
    const status = four(
      report(),
      report({ stateRoot: OTHER_ROOT }),
      report(),
      report({ stableCheckpoint: 256, stateRoot: OTHER_ROOT }),
    );
    expect(status.replicas.map(({ suspected }) => suspected)).toEqual([
      null,
      'its state differs from that of 2 others at checkpoint 128',
      null,
      null,
    ]);
  });

  it('suspects on the word of f+1, not of one', () => {
    const accusing = (replica: number) => report({ suspicions: [{ replica, why: 'two pre-prepares for one number' }] });
    const one = four(accusing(2), report(), report(), report());
    expect(one.replicas[2].suspected).toBeNull();
    expect(one.replicas[0].suspicions).toEqual([{ replica: 2, why: 'two pre-prepares for one number' }]);
    const two = four(accusing(2), report(), report(), accusing(2));
    expect(two.replicas[2].suspected).toBe('two pre-prepares for one number');
  });

  it('takes no nonsense from a replica', () => {
    for (const bad of [
      {},
      7,
      'x',
      report({ view: -1 }),
      report({ view: 2 ** 60 }),
      report({ stateRoot: 'zz' }),
      report({ state: 'fine' }),
    ]) {
      const { replicas } = four(bad, report(), report(), report());
      expect(replicas[0]).toMatchObject({ up: true, view: null, state: null });
      expect(replicas[0].suspected).toMatch(/^its report makes no sense/);
    }
  });

  it('counts a replica that does not answer as down', async () => {
    const status = await inspectAll(
      cluster,
      async (id) => {
        if (id === 1) throw new Error('link lost');
        return id === 2 ? null : report();
      },
      100,
    );
    expect(status.replicas.map(({ up }) => up)).toEqual([true, false, false, true]);
  });
});
