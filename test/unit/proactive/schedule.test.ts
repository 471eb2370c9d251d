import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { turnAt } from '../../../replica/proactive/schedule.js';

const NOW = 1_790_000_000_000;
const sizes = fc.constantFrom(4, 7, 10);
const periods = fc.integer({ min: 1000, max: 365 * 86_400_000 });
const times = fc.integer({ min: NOW, max: NOW + 10 * 365 * 86_400_000 });

describe('the turns of proactive recovery', () => {
  it('come to each replica once a period, from the last to the first, each as long as the others', () => {
    const n = 4;
    const periodMs = 4000;
    const start = Math.ceil(NOW / periodMs) * periodMs;
    const turns = Array.from({ length: 80 }, (_, i) => turnAt(n, periodMs, start + i * 100));
    for (const [i, { replica, round, open }] of turns.entries()) {
      expect([replica, round - turns[0].round, open]).toEqual([
        3 - (Math.floor(i / 10) % 4),
        Math.floor(i / 40),
        i % 10 < 5,
      ]);
    }
  });

  it('overlap at no time, nor between replicas whose clocks differ by less than half a turn', () => {
    fc.assert(
      fc.property(sizes, periods, times, fc.double({ min: 0, max: 0.499, noNaN: true }), (n, periodMs, now, skew) => {
        const here = turnAt(n, periodMs, now);
        const there = turnAt(n, periodMs, now + (skew * periodMs) / n);
        expect(here.replica).toBeGreaterThanOrEqual(0);
        expect(here.replica).toBeLessThan(n);
        // Whoever may begin now is the only one who may.
        if (here.open && there.open) expect(there).toEqual(here);
      }),
    );
  });
});
