import { describe, expect, it } from 'vitest';
import { ALL_OPTIMIZATIONS, type Optimizations } from '../../src/pbft/configuration.js';
import { ATTACKS } from './attacks/catalogue.js';
import { simulate } from './simulation.js';

/** The end of the transcript, enough to see what went wrong; `npm run simulate -- --seed N` shows more. */
const TRANSCRIPT_LINES = 40;

const said = ({ violation }: ReturnType<typeof simulate>): string => {
  if (violation === undefined) return 'nothing';
  return [...violation.transcript.split('\n').slice(-TRANSCRIPT_LINES), violation.message].join('\n');
};

/** A slice of `npm run simulate`, which runs thousands. */
describe('attacks', () => {
  // With f = 1 they have the odd seeds, in turn; with f = 2 every eighth.
  const [one, two] = [1, 2].map((f) => ATTACKS.filter((attack) => (attack.f ?? 1) === f));
  const seeds = [
    ...one.map((attack, i) => [attack, 2 * i + 1] as const),
    ...two.map((attack, i) => [attack, 8 * i + 1] as const),
  ];
  for (const [{ name, f = 1 }, seed] of seeds) {
    it(`come off, and nothing comes of them: ${name}`, () => {
      const outcome = simulate({ seed, f, short: true });
      expect(said(outcome)).toBe('nothing');
      expect(outcome.attack).toEqual({ name, fizzled: undefined });
    });
  }
});

describe('random faults', () => {
  for (let seed = 2; seed <= 80; seed += 2) {
    it(`violate nothing with f = 1, seed ${seed}`, () => {
      expect(said(simulate({ seed, f: 1 }))).toBe('nothing');
    });
  }

  for (let seed = 1; seed <= 8; seed++) {
    it(`violate nothing with f = 2, seed ${seed}`, () => {
      expect(said(simulate({ seed, f: 2 }))).toBe('nothing');
    });
  }

  for (const without of Object.keys(ALL_OPTIMIZATIONS) as (keyof Optimizations)[]) {
    it(`violate nothing without ${without}`, () => {
      for (let seed = 101; seed <= 105; seed++) expect(said(simulate({ seed, f: 1, without }))).toBe('nothing');
    });
  }

  // 232: a replica let go of batches with which others were still coming to where the next incarnation begins.
  // 1466: one replica had left a view alone, and the only other one that could tell that it was stuck waited for a second.
  it.each([1, 2, 3, 232, 1466])('violate nothing when all lose power at once, seed %i', (seed) => {
    expect(said(simulate({ seed, f: 1, powerLoss: true }))).toBe('nothing');
  });

  // The second on SQLite.
  it.each([12, 16])('are the same for the same seed, %i', (seed) => {
    const { statistics, simulatedMs } = simulate({ seed, f: 1 });
    const again = simulate({ seed, f: 1 });
    expect(again.statistics).toEqual(statistics);
    expect(again.simulatedMs).toBe(simulatedMs);
    expect(statistics.sqliteWorlds).toBe(seed === 16 ? 1 : 0);
  });
});
