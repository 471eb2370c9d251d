import { describe, expect, it } from 'vitest';
import type { EpochRecord } from '../../../replica/proactive/epoch.js';
import { Peers } from '../../../replica/proactive/peers.js';
import { ProactiveRecovery } from '../../../replica/proactive/recovery.js';
import type { ReplicaDescription } from '../../../src/pbft/replica.js';

const N = 4;
const PERIOD = 40_000;
const TURN = PERIOD / N;
const NOW = Math.ceil(1_790_000_000_000 / PERIOD) * PERIOD;
/** Whose turn is the second of a period. */
const ME = 2;
const STARTED: EpochRecord = { kind: 'epoch', epoch: 9, recoveries: 2, recoveredAt: 5 };

function room(kept: 'first' | 'recovering' | undefined, at = NOW, f = 1, started = STARTED) {
  const told: string[] = [];
  const description = { state: 'normal', view: 0, lastExecuted: 100, stateRoot: 'ab' } as ReplicaDescription;
  const peers = new Peers();
  const records: EpochRecord[] = [];
  const recovery = new ProactiveRecovery(
    {
      cluster: { f, recoveryPeriodSeconds: PERIOD / 1000 },
      ...{ id: ME, started, kept, peers },
      replica: {
        describe: () => description,
        announceRecovery: (recovers) => void told.push(recovers ? 'recovers' : 'has recovered'),
        stateDamaged: () => void told.push('checks'),
      },
      log: { info: () => undefined },
      record: (completed) => void records.push(completed),
      changed: () => undefined,
      end: () => void told.push('ends'),
    },
    at,
  );
  const fine = { view: 0, active: true, recovering: false, lastExecuted: 100 };
  /** Ticks every 100 ms, with the others as they are said to be. */
  const pass = (from: number, ms: number, others: Partial<typeof fine>[] = [{}, {}, {}]): void => {
    for (let at = from; at < from + ms; at += 100) {
      for (const [i, other] of others.entries()) peers.onStatus(i < ME ? i : i + 1, { ...fine, ...other }, at);
      recovery.tick(at);
    }
  };
  return { recovery, told, description, peers, records, pass };
}

describe('proactive recovery', () => {
  it('begins when its turn has come, and not before: it tells the others and ends', () => {
    const { pass, told } = room('first');
    pass(NOW, TURN);
    expect(told).toEqual([]);
    pass(NOW + TURN, 500);
    expect(told[0]).toBe('recovers');
    expect(told[1]).toBe('ends');
  });

  it('is for those only whom someone starts again', () => {
    const { pass, told, recovery } = room(undefined);
    pass(NOW, 2 * PERIOD);
    expect(told).toEqual([]);
    expect(recovery.status).toEqual({ phase: 'resting', completed: 2, last: 5, missed: 0 });
  });

  it.each([
    ['is down', [{}, {}]],
    ['recovers', [{}, { recovering: true }, {}]],
    ['changes its view', [{}, {}, { active: false }]],
    ['is in another view', [{ view: 1 }, {}, {}]],
    ['is far behind', [{ lastExecuted: 0 }, {}, {}]],
  ])('waits for its next turn where one of the others %s: there would be two of the f', (what, others) => {
    const { pass, told, recovery, description } = room('first');
    if (what === 'is far behind') description.lastExecuted = 100_000;
    const rest = what === 'is far behind' ? others.map((o) => ({ lastExecuted: 100_000, ...o })) : others;
    pass(NOW + TURN, TURN, rest);
    expect(told).toEqual([]);
    expect(recovery.status.missed).toBe(1);
    // In the second half of its turn it does not begin any more.
    const late = room('first');
    late.pass(NOW + TURN + TURN / 2, TURN / 2);
    expect([late.told, late.recovery.status.missed]).toEqual([[], 1]);
  });

  it('counts those that it has not heard for some time as down', () => {
    const { pass, recovery, peers, told } = room('first');
    pass(NOW, 1000);
    peers.onDown(1);
    for (let at = NOW + TURN; at < NOW + TURN + 1000; at += 100) recovery.tick(at);
    expect(told).toEqual([]);
  });

  it('hands over first where it is primary, but not for ever', () => {
    const { pass, told, description } = room('first');
    description.view = ME;
    pass(NOW + TURN, 300, [{ view: ME }, { view: ME }, { view: ME }]);
    expect(told).toEqual(['recovers']);
    description.view = ME + 1;
    pass(NOW + TURN + 300, 100);
    expect(told).toEqual(['recovers', 'ends']);
    const stuck = room('first');
    stuck.description.view = ME;
    stuck.pass(NOW + TURN, 4000, [{ view: ME }, { view: ME }, { view: ME }]);
    expect(stuck.told.slice(0, 2)).toEqual(['recovers', 'ends']);
  });

  it('ends not again in the turn in which it came', () => {
    const { pass, told } = room('first', NOW + TURN);
    pass(NOW + TURN, TURN);
    expect(told).toEqual([]);
    pass(NOW + PERIOD + TURN, 1000);
    expect(told[0]).toBe('recovers');
  });

  it('lets one turn pass where the last recovery went on into the next one’s, which would miss each of its own', () => {
    const recovered = (at: number) => room('first', NOW, 1, { ...STARTED, recoveredAt: at });
    const long = recovered(NOW - PERIOD + 2 * TURN + 1);
    long.pass(NOW + TURN, TURN);
    expect([long.told, long.recovery.status.missed]).toEqual([[], 0]);
    long.pass(NOW + PERIOD + TURN, 500);
    expect(long.told[0]).toBe('recovers');
    const short = recovered(NOW - PERIOD + 2 * TURN - 1);
    short.pass(NOW + TURN, 500);
    expect(short.told[0]).toBe('recovers');
  });

  it('goes on in another process: when it has caught up it reads its state, and then it is on record', () => {
    const { pass, told, description, recovery, records } = room('recovering', NOW + TURN);
    description.state = 'recovering';
    pass(NOW + TURN, 500);
    expect(told).toEqual(['recovers']);
    description.state = 'normal';
    pass(NOW + TURN + 500, 100);
    description.state = 'transferring';
    pass(NOW + TURN + 600, 500);
    expect(told).toEqual(['recovers', 'checks']);
    expect([recovery.status.phase, records]).toEqual(['checking', []]);
    description.state = 'normal';
    pass(NOW + TURN + 1100, 500);
    expect(told).toEqual(['recovers', 'checks', 'has recovered']);
    const lastAt = NOW + TURN + 1100;
    expect(recovery.status).toEqual({ phase: 'resting', completed: 3, last: lastAt, missed: 0 });
    expect(records).toEqual([{ ...STARTED, recoveries: 3, recoveredAt: lastAt }]);
  });

  it('has nothing to compare with before the first checkpoint', () => {
    const { pass, told, description } = room('recovering', NOW + TURN);
    description.stateRoot = null;
    pass(NOW + TURN, 500);
    expect(told).toEqual(['recovers', 'has recovered']);
  });
});
