import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Histogram, LATENCY_BOUNDS, quantile, since, total } from '../../src/histogram.js';

const filled = (values: readonly number[], bounds = LATENCY_BOUNDS): Histogram => {
  const histogram = new Histogram(bounds);
  for (const value of values) histogram.add(value);
  return histogram;
};

describe('a histogram', () => {
  it('counts each value under the first bound that it does not exceed', () => {
    expect(filled([0, 1, 1.5, 2, 7], [1, 2, 5])).toMatchObject({ counts: [2, 2, 0, 1], sum: 11.5 });
  });

  it('has quantiles between the bounds that hold them', () => {
    const value = fc.double({ min: 0.0001, max: 30, noNaN: true });
    fc.assert(
      fc.property(fc.array(value, { minLength: 1 }), fc.double({ min: 0.01, max: 1, noNaN: true }), (values, q) => {
        const sorted = [...values].sort((a, b) => a - b);
        const exact = sorted[Math.ceil(q * values.length - 1e-9) - 1];
        const upper = LATENCY_BOUNDS.find((bound) => exact <= bound)!;
        const lower = LATENCY_BOUNDS[LATENCY_BOUNDS.indexOf(upper) - 1] ?? 0;
        const found = quantile(filled(values), q)!;
        expect(found).toBeGreaterThanOrEqual(lower * (1 - 1e-9));
        expect(found).toBeLessThanOrEqual(upper * (1 + 1e-9));
      }),
    );
  });

  it('has none of nothing, and the last bound of what is above it', () => {
    expect(quantile(filled([]), 0.5)).toBeNull();
    expect(quantile(filled([100]), 0.5)).toBe(30);
  });

  it('tells what came since, and takes a smaller one for a new beginning', () => {
    const earlier = filled([1, 3], [2]).figures();
    const later = filled([1, 3, 4, 1], [2]).figures();
    expect(since(later, earlier)).toEqual({ bounds: [2], counts: [1, 1], sum: 5 });
    expect(total(since(later, undefined))).toBe(4);
    expect(since(earlier, later)).toBe(earlier);
  });
});
