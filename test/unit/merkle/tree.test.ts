import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  findLeaf,
  leafDigest,
  MemoryNodes,
  type Octets,
  octets,
  rootDigest,
  toBytes,
  updateTree,
} from '../../../src/merkle/index.js';
import { key, leafOf, modelRoot, type Rows, rows, scattered, sha256, treeOf } from './model.js';

const hex = (text: Octets): string => toBytes(text).toString('hex');
const root = (nodes: MemoryNodes): string => hex(rootDigest(nodes));

describe('the tree', () => {
  it('has the root of its definition, after any history', () => {
    const change = fc.tuple(key, fc.option(fc.nat(3), { nil: undefined }));
    fc.assert(
      fc.property(fc.array(fc.array(change, { maxLength: 12 }), { maxLength: 12 }), (batches) => {
        const nodes = new MemoryNodes();
        const now: Rows = new Map();
        for (const batch of batches) {
          const changes = new Map(batch.map(([key, value]) => [key, value === undefined ? value : leafOf(key, value)]));
          const returned = updateTree(nodes, changes);
          for (const [key, leaf] of changes) {
            if (leaf === undefined) now.delete(key);
            else now.set(key, leaf);
          }
          expect(hex(returned)).toBe(modelRoot(now));
          expect(root(nodes)).toBe(modelRoot(now));
        }
        for (const [key] of batches.flat()) expect(findLeaf(nodes, key)).toBe(now.get(key));
        // And no node that history left behind.
        const fresh = treeOf(now);
        expect(nodes.size).toBe(Math.max(fresh.size, nodes.get('') === undefined ? 0 : 1));
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it('has another root if any row is another', () => {
    fc.assert(
      fc.property(rows(20), rows(20), (a, b) => {
        const same = a.size === b.size && [...a].every(([key, leaf]) => b.get(key) === leaf);
        expect(root(treeOf(a)) === root(treeOf(b))).toBe(same);
      }),
      { seed: 2, numRuns: 500 },
    );
  });

  it('reads, hashes and stores each node that a batch touches once, and no other', () => {
    const base = scattered(5000);
    const nodes = treeOf(base);
    const touched = [...base.keys()].slice(0, 50);
    const read = new Map<Octets, number>();
    const written = new Map<Octets, number>();
    const count = (counts: Map<Octets, number>, prefix: Octets): void => {
      counts.set(prefix, (counts.get(prefix) ?? 0) + 1);
    };
    updateTree(
      {
        get: (prefix) => {
          count(read, prefix);
          return nodes.get(prefix);
        },
        put: (prefix, content) => {
          count(written, prefix);
          nodes.put(prefix, content);
        },
        delete: (prefix) => nodes.delete(prefix),
      },
      new Map(touched.map((key) => [key, leafOf(key, 'other')])),
    );
    expect(new Set([...read.values(), ...written.values()])).toEqual(new Set([1]));
    expect(new Set(written.keys())).toEqual(new Set(read.keys()));
    // The root and, of 5000 rows in 256 nodes, at most one each.
    expect(written.size).toBeLessThanOrEqual(51);
    for (const prefix of written.keys()) expect(touched.some((key) => key.startsWith(prefix))).toBe(true);
  });

  it('stores nothing where nothing changes', () => {
    const base = scattered(1000);
    const nodes = treeOf(base);
    const untouched = {
      get: (prefix: Octets) => nodes.get(prefix),
      put: () => expect.fail(),
      delete: () => expect.fail(),
    };
    const absent = [...scattered(100, 9000).keys()].map((key) => [key, undefined] as const);
    expect(updateTree(untouched, new Map([...base, ...absent]))).toBe(rootDigest(nodes));
  });

  it('refuses keys of other lengths', () => {
    expect(() => updateTree(new MemoryNodes(), new Map([['short', leafOf('', 0)]]))).toThrow('one length');
  });
});

/** Computed by another program from the definition alone. */
describe('golden vectors', () => {
  const zeros = octets(Buffer.alloc(32));
  const put = (rows: [Octets, Uint8Array][]): string =>
    root(treeOf(new Map(rows.map(([key, digest]) => [key, leafDigest(key, octets(digest))]))));
  const row = (i: number): Buffer => sha256(Buffer.concat([Buffer.from('row'), Buffer.of(i)]));

  it('of leaves', () => {
    expect(hex(leafDigest(octets(sha256('k')), octets(sha256('v'))))).toBe(
      '2a85eceb1b9b29dcede593c8f5900d5f0a74c50e4fa03ba0efea491d84062536',
    );
  });
  it('of trees', () => {
    expect(put([])).toBe('001f03483a367aa1167d6dfc3b358424fd825e00b7a437c72000eb7e610dd993');
    expect(put([[zeros, sha256('a')]])).toBe('7a9515ff646b2e28a2aaa0038ae3b43a6db5d8abd481deed3b9befd2f1a112cb');
    expect(
      put([
        [zeros, sha256('a')],
        [`${zeros.slice(1)}\x01`, sha256('b')],
      ]),
    ).toBe('ac6e7c655e50df0231e5c0849766952f1b6d4c639f890c208e3da91fba07bb27');
    expect(put(Array.from({ length: 200 }, (_, i) => [octets(sha256(Buffer.of(i))), row(i)]))).toBe(
      '4fbc46ec0fdb92e6ef6e4ac6a934a6dde76ca7d696af421db2edb5011cc15cb3',
    );
    const dense = (i: number): Octets =>
      `\x03${zeros.slice(27)}${String.fromCharCode(i >> 8, i & 255)}${zeros.slice(8)}`;
    expect(put(Array.from({ length: 1000 }, (_, i) => [dense(i), row(i % 256)]))).toBe(
      'e7bd8ff42607f4c2c7c06ec51e1907b1a28ffc8b711d30c50659e9900d896c23',
    );
  });
});
