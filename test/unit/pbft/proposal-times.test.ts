import { describe, expect, it } from 'vitest';
import { Limits } from '../../../src/limits.js';
import { ProposalTimes } from '../../../src/pbft/proposal-times.js';

const at = (seconds: number) => ({ seconds, nanoseconds: 0 });
const bound = Limits.clockSkewMs / 1000;

describe('times of proposals', () => {
  it('are believed within the bound around the own clock', () => {
    const times = new ProposalTimes(4, at(10_000));
    expect(times.accept(at(10_000 + bound), at(10_000))).toBe(true);
    expect(times.accept(at(10_001 + bound), at(10_000))).toBe(false);
    expect(times.accept(at(10_000 - bound), at(10_000))).toBe(true);
    expect(times.accept(at(9_999 - bound), at(10_000))).toBe(false);
  });

  it('after an outage may be of its beginning, for one window of proposals and no more', () => {
    const times = new ProposalTimes(3, at(10_000));
    expect(times.accept(at(10_000), at(10_000))).toBe(true);
    expect(times.accept(at(9_000), at(20_000))).toBe(false);
    for (let i = 0; i < 3; i++) expect(times.accept(at(10_001), at(20_000))).toBe(true);
    expect(times.accept(at(10_001), at(20_000))).toBe(false);
    expect(times.accept(at(20_000), at(20_000))).toBe(true);
    expect(times.accept(at(10_001), at(20_001))).toBe(false);
  });

  it('are never believed of the future, outage or not', () => {
    const times = new ProposalTimes(3, at(10_000));
    expect(times.accept(at(30_000), at(20_000))).toBe(false);
  });
});
