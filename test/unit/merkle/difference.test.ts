import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type MemoryNodes, type Octets, rootDigest, TreeDifference, updateTree } from '../../../src/merkle/index.js';
import { leafOf, type Rows, rows, scattered, treeOf } from './model.js';

interface Walked {
  changes: Map<Octets, Octets | undefined>;
  nodes: number;
}

/** Walks from one tree to another, and sees that no key is named twice. */
function walk(local: MemoryNodes, other: MemoryNodes): Walked {
  const changes = new Map<Octets, Octets | undefined>();
  const note = (key: Octets, leaf: Octets | undefined): void => {
    expect(changes.has(key)).toBe(false);
    changes.set(key, leaf);
  };
  const difference = new TreeDifference(local, rootDigest(other), {
    changed: note,
    removed: (key) => note(key, undefined),
  });
  let nodes = 0;
  for (let missing = difference.take(); missing !== undefined; missing = difference.take()) {
    const content = other.get(missing.prefix)!;
    expect(TreeDifference.isRight(missing, content)).toBe(true);
    difference.accept(missing, content);
    nodes++;
  }
  return { changes, nodes };
}

function expected(from: Rows, to: Rows): Map<Octets, Octets | undefined> {
  const changes = new Map<Octets, Octets | undefined>();
  for (const [key, leaf] of to) if (from.get(key) !== leaf) changes.set(key, leaf);
  for (const [key] of from) if (!to.has(key)) changes.set(key, undefined);
  return changes;
}

describe('the walk to another tree', () => {
  it('finds exactly the rows that differ', () => {
    fc.assert(
      fc.property(rows(30), rows(30), fc.boolean(), (a, b, related) => {
        const to: Rows = related ? new Map([...a, ...b].filter((_, i) => i % 5 !== 0)) : b;
        // Nobody stores the root of a tree without rows.
        fc.pre(to.size > 0);
        expect(walk(treeOf(a), treeOf(to)).changes).toEqual(expected(a, to));
      }),
      { seed: 4, numRuns: 500 },
    );
  });

  it('asks for nothing where nothing differs', () => {
    expect(walk(treeOf(scattered(500)), treeOf(scattered(500)))).toEqual({ changes: new Map(), nodes: 0 });
  });

  it('costs in proportion to the difference', () => {
    const base = scattered(50_000);
    const local = treeOf(base);
    for (const touched of [1, 10, 100]) {
      const other = treeOf(base);
      const keys = [...base.keys()].slice(touched, 2 * touched);
      updateTree(other, new Map(keys.map((key, i) => [key, i % 3 === 0 ? undefined : leafOf(key, 'other')])));
      const walked = walk(local, other);
      expect(walked.changes.size).toBe(touched);
      // The root, and for each row what lies between: the trees are three nodes deep.
      expect(walked.nodes).toBeLessThanOrEqual(1 + 2 * touched);
    }
  });

  it('goes on with a node that was put back', () => {
    const other = treeOf(scattered(10));
    const found: Octets[] = [];
    const difference = new TreeDifference(treeOf(new Map()), rootDigest(other), {
      changed: (key) => found.push(key),
      removed: () => expect.fail(),
    });
    difference.putBack(difference.take()!);
    expect(difference.open).toBe(1);
    const root = difference.take()!;
    difference.accept(root, other.get('')!);
    expect(found.length).toBe(10);
  });

  it('knows a node from what was made of it', () => {
    const other = treeOf(scattered(300));
    const content = other.get('')!;
    const root = { prefix: '', digest: rootDigest(other), local: undefined };
    for (let byte = 0; byte < content.length; byte++) {
      const changed = Buffer.from(content);
      changed[byte] ^= 0x80;
      expect(TreeDifference.isRight(root, changed)).toBe(false);
    }
    expect(TreeDifference.isRight({ ...root, prefix: 'x' }, content)).toBe(false);
    expect(TreeDifference.isRight(root, content)).toBe(true);
  });
});
