import { describe, expect, it } from 'vitest';
import { nextEpoch } from '../../../replica/proactive/epoch.js';
import { Epochs } from '../../../src/net/epochs.js';

const NOW = 1_790_000_000_000;
const MINUTE = 60_000;
const last = (epoch: number) => [{ kind: 'epoch', epoch, recoveries: 3, recoveredAt: 7 } as const];

describe('the epoch of a process', () => {
  it('is the time of its start, and higher than any before it', () => {
    expect(nextEpoch([], NOW)).toEqual({ kind: 'epoch', epoch: NOW, recoveries: 0, recoveredAt: 0 });
    expect(nextEpoch(last(NOW - 5), NOW)).toEqual({ kind: 'epoch', epoch: NOW, recoveries: 3, recoveredAt: 7 });
    expect(nextEpoch(last(NOW + 5), NOW).epoch).toBe(NOW + 6);
  });

  it('is not what someone has put on record to shut out all that come after', () => {
    expect(nextEpoch(last(NOW + 2 * MINUTE), NOW).epoch).toBe(NOW);
    expect(nextEpoch(last(Number.MAX_SAFE_INTEGER), NOW).epoch).toBe(NOW);
  });

  it('is refused once a higher one of the same replica is known, or if it is in the future', () => {
    const epochs = new Epochs();
    const replica = (id: number) => ({ role: 'replica', id }) as const;
    expect(epochs.fault(replica(1), 5, NOW)).toBeUndefined();
    expect(epochs.fault(replica(1), 5, NOW)).toBeUndefined();
    expect(epochs.fault(replica(1), 4, NOW)).toBe('old-epoch');
    expect(epochs.fault(replica(2), 4, NOW)).toBeUndefined();
    expect(epochs.fault(replica(1), NOW + 2 * MINUTE, NOW)).toBe('future-epoch');
    expect(epochs.fault(replica(1), 6, NOW)).toBeUndefined();
    expect(epochs.fault(replica(1), 5, NOW)).toBe('old-epoch');
    expect(epochs.fault({ role: 'client', id: 1 }, 0, NOW)).toBeUndefined();
  });
});
