import { describe, expect, it } from 'vitest';
import { CRASHES, crashAtEveryWrite } from './crash-points.js';

/** Of some 150 moments; `npm run simulate -- --crash-at-every-write` takes them all. */
const EVERY = 23;

describe('a replica that dies before or after a write', () => {
  for (const [index, options] of CRASHES.entries()) {
    const { death, synced } = options;
    it(`comes back to the state of the others: ${death}, ${synced ? 'synced' : 'buffered'}`, () => {
      const runs = [...crashAtEveryWrite(options, EVERY, 1 + index * 6)];
      expect(
        runs.flatMap(({ moment, violation }) => (violation === undefined ? [] : `${moment}: ${violation}`)),
      ).toEqual([]);
      expect(runs.length).toBeGreaterThan(5);
      for (const { stateTransfers } of runs) expect(stateTransfers).toBeGreaterThan(0);
    });
  }
});
