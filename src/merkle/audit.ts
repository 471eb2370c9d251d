/** A stored tree read by someone who does not believe the disk: every node is checked against its parent. */
import { KEY_BYTES, nodeDigest } from './hashing.js';
import { type Child, TreeNode } from './node.js';
import type { Octets } from './octets.js';
import { ROOT } from './read.js';
import type { NodeSource } from './storage.js';

/** A node is missing, is none, or is not the one that its parent names. */
export class DamagedNode extends Error {
  override name = 'DamagedNode';
  constructor(readonly prefix: Octets) {
    super(`the partition tree's node ${Buffer.from(prefix, 'latin1').toString('hex') || 'at the root'} is damaged`);
  }
}

/**
 * The leaves after `after`, which is a key or the beginning of one, in the order of their keys. The root has no parent
 * to be checked against: what is wrong in it contradicts what is below it.
 * @throws DamagedNode
 */
export function* auditedLeaves(nodes: NodeSource, after: Octets): IterableIterator<Child> {
  yield* leavesAfter(nodes, ROOT, undefined, after);
}

function* leavesAfter(
  nodes: NodeSource,
  prefix: Octets,
  digest: Octets | undefined,
  after: Octets,
): IterableIterator<Child> {
  const node = audited(nodes, prefix, digest);
  const first = after.startsWith(prefix) && after.length > prefix.length ? after.charCodeAt(prefix.length) : 0;
  for (let byte = first; byte < 256; byte++) {
    const child = node.child(byte);
    // No key there comes after this one.
    if (child === undefined || child.path.padEnd(KEY_BYTES, '\xff') <= after) continue;
    if (child.leaf) yield child;
    else yield* leavesAfter(nodes, child.path, child.digest, after);
  }
}

/** Digest of the leaf under `key`, if there is one. @throws DamagedNode */
export function auditedLeaf(nodes: NodeSource, key: Octets): Octets | undefined {
  let node = audited(nodes, ROOT, undefined);
  for (;;) {
    const child = node.child(key.charCodeAt(node.prefix.length));
    if (child === undefined || !key.startsWith(child.path)) return undefined;
    if (child.leaf) return child.digest;
    node = audited(nodes, child.path, child.digest);
  }
}

function audited(nodes: NodeSource, prefix: Octets, digest: Octets | undefined): TreeNode {
  const content = nodes.get(prefix);
  if (content === undefined && prefix === ROOT) return TreeNode.empty(ROOT);
  if (content === undefined || (digest !== undefined && nodeDigest(content) !== digest)) throw new DamagedNode(prefix);
  const node = TreeNode.parse(content);
  if (node === undefined || node.prefix !== prefix) throw new DamagedNode(prefix);
  return node;
}
