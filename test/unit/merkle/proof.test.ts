import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Octets, octets, prove, rootDigest, toBytes, verifyProof } from '../../../src/merkle/index.js';
import { key, rows, scattered, sha256, treeOf } from './model.js';

describe('a proof', () => {
  it('shows what a key has, or that the tree does not have it', () => {
    fc.assert(
      fc.property(rows(25), key, (rows, asked) => {
        const nodes = treeOf(rows);
        const root = toBytes(rootDigest(nodes));
        for (const key of [asked, ...rows.keys()]) {
          const leaf = rows.get(key);
          const expected = leaf === undefined ? { present: false } : { present: true, leaf };
          expect(verifyProof(root, key, prove(nodes, key))).toEqual(expected);
        }
      }),
      { seed: 3, numRuns: 200 },
    );
  });

  const base = scattered(3000);
  const nodes = treeOf(base);
  const root = toBytes(rootDigest(nodes));
  const [present] = base.keys();
  const absent = octets(sha256('absent'));

  for (const [what, key] of [
    ['present', present],
    ['absent', absent],
  ] as [string, Octets][]) {
    it(`of a row that is ${what} is refused with any byte changed, any node missing, twice or in excess`, () => {
      const proof = prove(nodes, key);
      expect(proof.length).toBeGreaterThan(1);
      proof.forEach((node, at) => {
        const replaced = (other: Buffer): Buffer[] => proof.with(at, other);
        for (let byte = 0; byte < node.length; byte++) {
          const changed = Buffer.from(node);
          changed[byte] ^= 1 << (byte & 7);
          expect(verifyProof(root, key, replaced(changed))).toBeUndefined();
        }
        expect(verifyProof(root, key, replaced(node.subarray(1)))).toBeUndefined();
        expect(verifyProof(root, key, replaced(Buffer.concat([node, Buffer.of(0)])))).toBeUndefined();
        expect(verifyProof(root, key, proof.toSpliced(at, 1))).toBeUndefined();
        expect(verifyProof(root, key, proof.toSpliced(at, 0, node))).toBeUndefined();
      });
      expect(verifyProof(root, key, [...proof, proof[0]])).toBeUndefined();
      expect(verifyProof(sha256('another root'), key, proof)).toBeUndefined();
      expect(verifyProof(root.subarray(1), key, proof)).toBeUndefined();
      expect(verifyProof(root, key.slice(1), proof)).toBeUndefined();
    });
  }

  it('of one key proves nothing of another that stands elsewhere', () => {
    const other = [...base.keys()].find((key) => key[0] !== present[0])!;
    expect(verifyProof(root, other, prove(nodes, present))).toBeUndefined();
  });
});
