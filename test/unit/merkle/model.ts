/** The tree's definition again, as simple as can be: from the sorted set of rows, without storage or changes. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { leafDigest, MemoryNodes, type Octets, octets, toBytes, updateTree } from '../../../src/merkle/index.js';

export const sha256 = (text: string | Uint8Array): Buffer => createHash('sha256').update(text).digest();

/** Digest of the row's leaf by key. */
export type Rows = Map<Octets, Octets>;

export function modelRoot(rows: ReadonlyMap<Octets, Octets>): string {
  const leaves = [...rows].sort(([a], [b]) => Buffer.compare(toBytes(a), toBytes(b)));
  return sha256(encode('', leaves)).toString('hex');
}

function encode(prefix: string, leaves: [Octets, Octets][]): Buffer {
  const at = prefix.length;
  const present = Buffer.alloc(32);
  const single = Buffer.alloc(32);
  let digests = '';
  let lengths = '';
  let paths = '';
  for (let byte = 0; byte < 256; byte++) {
    const group = leaves.filter(([key]) => key.charCodeAt(at) === byte);
    if (group.length === 0) continue;
    present[byte >> 3] |= 1 << (byte & 7);
    const [first, digest] = group[0];
    let path = first.slice(at + 1).replace(/\0+$/, '');
    if (group.length === 1) {
      single[byte >> 3] |= 1 << (byte & 7);
      digests += digest;
    } else {
      let common = at + 1;
      while (group.every(([key]) => key[common] === first[common])) common++;
      path = first.slice(at + 1, common);
      digests += octets(sha256(encode(first.slice(0, common), group)));
    }
    lengths += String.fromCharCode(path.length);
    paths += path;
  }
  const header = toBytes(`byzfs partition tree node 1\0${String.fromCharCode(at)}${prefix}`);
  return Buffer.concat([header, present, single, toBytes(digests + lengths + paths)]);
}

export const leafOf = (key: Octets, value: string | number): Octets =>
  leafDigest(key, octets(sha256(`value ${value}`)));

export function treeOf(rows: ReadonlyMap<Octets, Octets>): MemoryNodes {
  const nodes = new MemoryNodes();
  updateTree(nodes, rows);
  return nodes;
}

/** Keys that share prefixes of every length, with zeros in every place. */
export const key: fc.Arbitrary<Octets> = fc
  .tuple(
    fc.constantFrom(0, 1, 2, 7, 8, 15, 30, 31),
    fc.constantFrom(0, 1, 255),
    fc.array(fc.constantFrom(0, 1, 2, 200), { maxLength: 3 }),
  )
  .map(([shared, fill, rest]) => {
    const bytes = Buffer.alloc(32);
    bytes.fill(fill, 0, shared);
    bytes.set(rest.slice(0, 32 - shared), shared);
    return octets(bytes);
  });

export const rows = (maxLength: number): fc.Arbitrary<Rows> =>
  fc
    .array(fc.tuple(key, fc.nat(3)), { maxLength })
    .map((pairs) => new Map(pairs.map(([key, value]) => [key, leafOf(key, value)])));

/** Scattered keys, as digests are. */
export const scattered = (count: number, from = 0): Rows => {
  const rows: Rows = new Map();
  for (let i = from; i < from + count; i++) {
    const key = octets(sha256(`key ${i}`));
    rows.set(key, leafOf(key, i));
  }
  return rows;
};
