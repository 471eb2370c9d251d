import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Limits } from '../../../src/limits.js';
import { Configuration } from '../../../src/pbft/configuration.js';
import { sameDigest } from '../../../src/pbft/digests.js';
import type { OrderedBatch, ViewChange } from '../../../src/pbft/messages.js';
import { type Selection, select } from '../../../src/pbft/selection.js';

const K = Limits.checkpointInterval;
const configuration = new Configuration(1, 0);
const NO_BYTES = new Uint8Array(0);
const digest = (name: string): Uint8Array => Buffer.alloc(32, name);

/** `[sequence, name, view]`. */
type Brief = [number, string, number];
const ordered = (briefs: Brief[]): OrderedBatch[] =>
  briefs.map(([sequence, name, view]) => ({ sequence, digest: digest(name), view }));

interface Seen {
  stable?: number;
  p?: Brief[];
  q?: Brief[];
}

const viewChange = ({ stable = 0, p = [], q = p }: Seen, replica: number): ViewChange => ({
  kind: 'view-change',
  view: 9,
  replica,
  certificate: stable === 0 ? undefined : { sequence: stable, stateDigest: digest('s'), signatures: [] },
  prepared: ordered(p),
  prePrepared: ordered(q),
  signature: NO_BYTES,
});

/** What the replicas 0, 1, … of f = 1 that have seen this begin with: the start, then names, `-` for null requests. */
function begun(...seen: Seen[]): [number, string] | undefined {
  const selection = select(seen.map(viewChange), configuration);
  return selection && [selection.start, names(selection)];
}

const names = ({ chosen }: Selection): string =>
  chosen.map((each) => (each === undefined ? '-' : String.fromCharCode(each[0]))).join('');

describe('what a new view begins with', () => {
  it('waits for 2f+1 view-changes', () => {
    expect(begun({}, {})).toBe(undefined);
    expect(begun({}, {}, {})).toEqual([0, '']);
  });

  it('starts from the highest checkpoint', () => {
    const p: Brief[] = [[K + 1, 'a', 0]];
    expect(begun({ stable: K, p }, { p: [[1, 'x', 0], ...p] }, { p })).toEqual([K, 'a']);
    expect(begun({ stable: 2 * K }, { stable: K, p }, { p })).toEqual([2 * K, '']);
  });

  it('takes up what one replica prepared and f+1 pre-prepared', () => {
    const p: Brief[] = [[1, 'a', 0]];
    expect(begun({ p }, { q: p }, {})).toEqual([0, 'a']);
    expect(begun({ p }, { q: p }, { q: p }, {})).toEqual([0, 'a']);
  });

  it('does not believe one replica what nobody else pre-prepared (A2), and waits for another view-change', () => {
    const p: Brief[] = [[1, 'a', 3]];
    expect(begun({ p }, {}, {})).toBe(undefined);
    expect(begun({ p }, {}, {}, {})).toEqual([0, '']);
    // Pre-prepared only in an earlier view than that in which it is said to have prepared.
    expect(begun({ p }, { q: [[1, 'a', 2]] }, {})).toBe(undefined);
  });

  it('prefers what prepared in a later view (A1)', () => {
    const old: Brief[] = [[1, 'a', 0]];
    const late: Brief[] = [[1, 'b', 2]];
    const both: Brief[] = [...old, ...late];
    expect(begun({ p: old }, { p: late, q: both }, { q: both })).toEqual([0, 'b']);
    expect(begun({ p: late }, { p: old, q: both }, { q: both })).toEqual([0, 'b']);
  });

  it('waits where one of 2f+1 contradicts, until all are heard', () => {
    const one: Brief[] = [[1, 'a', 1]];
    const other: Brief[] = [[1, 'b', 1]];
    expect(begun({ p: one }, { p: one }, { p: other })).toBe(undefined);
    expect(begun({ p: one }, { p: one }, { p: other }, {})).toEqual([0, 'a']);
  });

  it('fills gaps with null requests, and invents none after the last', () => {
    const p: Brief[] = [
      [1, 'a', 0],
      [4, 'd', 0],
    ];
    expect(begun({ p }, { p }, { q: p })).toEqual([0, 'a--d']);
    const lie: Brief[] = [[9, 'z', 5]];
    expect(begun({ p }, { p }, { q: p }, { p: lie })).toEqual([0, 'a--d']);
  });

  it('needs 2f+1 with nothing in P for a null request (B), not 2f', () => {
    const q: Brief[] = [[1, 'a', 0]];
    expect(begun({ p: q, q: [] }, {}, {})).toBe(undefined);
    expect(begun({ p: q, q: [] }, {}, {}, {})).toEqual([0, '']);
  });

  it('is the same whatever the order of the view-changes', () => {
    const brief = fc.tuple(fc.integer({ min: 1, max: 3 }), fc.constantFrom('a', 'b'), fc.nat(3));
    const seen = fc.record({ p: fc.uniqueArray(brief, { selector: ([n]) => n }), q: fc.array(brief) });
    fc.assert(
      fc.property(fc.array(seen, { minLength: 3, maxLength: 4 }), fc.nat(3), (all, turn) => {
        const messages = all.map(viewChange);
        const turned = [...messages.slice(turn), ...messages.slice(0, turn)];
        const [a, b] = [select(messages, configuration), select(turned, configuration)];
        expect(b && names(b)).toBe(a && names(a));
      }),
    );
  });

  it('never loses what committed, whatever f replicas claim and whoever is heard', () => {
    // 'a' committed in view 1: 2f+1 prepared it, f+1 of them correct; one more correct replica may have seen anything
    // before view 1; replica 3 says what it likes.
    const p: Brief[] = [[1, 'a', 1]];
    const anything = fc.array(fc.tuple(fc.constant(1), fc.constantFrom('a', 'b', 'c'), fc.nat(8)), { maxLength: 1 });
    const earlier = anything.map((briefs) => briefs.map(([n, name]): Brief => [n, name, 0]));
    fc.assert(
      fc.property(anything, anything, earlier, fc.boolean(), (lieP, lieQ, before, allHeard) => {
        const q: Brief[] = [...p, ...before];
        const heard: Seen[] = [
          { p, q },
          { p, q },
          { p: before, q: before },
          { p: lieP as Brief[], q: lieQ as Brief[] },
        ];
        for (const missing of allHeard ? [4] : [0, 1, 2, 3]) {
          const selection = select(
            heard.map(viewChange).filter(({ replica }) => replica !== missing),
            configuration,
          );
          if (selection === undefined) continue;
          expect(selection.chosen[0] && sameDigest(selection.chosen[0], digest('a'))).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('decides once all correct replicas are heard', () => {
    // What correct replicas can have seen at one number: in each view one digest, prepared only if pre-prepared.
    const past = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 5 });
    const last = fc.tuple(
      fc.integer({ min: -1, max: 4 }),
      fc.integer({ min: -1, max: 4 }),
      fc.integer({ min: -1, max: 4 }),
    );
    const lie = fc.array(fc.tuple(fc.constant(1), fc.constantFrom('a', 'z'), fc.nat(8)), { maxLength: 1 });
    fc.assert(
      fc.property(past, last, lie, (digests, prepared, claim) => {
        const q: Brief[] = [...new Set(digests)].map((name) => [1, name, digests.lastIndexOf(name)]);
        const correct = prepared.map((view): Seen => {
          const v = Math.min(view, digests.length - 1);
          // A digest chosen again later prepared, if at all, in its latest view here.
          return { p: v < 0 ? [] : [[1, digests[v], v]], q };
        });
        const heard = [...correct, { p: claim as Brief[], q: claim as Brief[] }];
        expect(select(heard.map(viewChange), configuration)).not.toBe(undefined);
      }),
      { numRuns: 500 },
    );
  });
});
