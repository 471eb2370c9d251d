/** What a stored tree has: its root, single rows, all rows under a node. */
import { assert } from '../limits.js';
import { nodeDigest } from './hashing.js';
import { type Child, TreeNode } from './node.js';
import type { Octets } from './octets.js';
import type { NodeSource } from './storage.js';

/** The node of the empty prefix is always there, though nobody stored it: it may have no children, or one. */
export const ROOT: Octets = '';

export function nodeAt(nodes: NodeSource, prefix: Octets): TreeNode {
  const content = nodes.get(prefix);
  assert(content !== undefined || prefix === ROOT, 'a tree has the nodes that its nodes name');
  return content === undefined ? TreeNode.empty(ROOT) : new TreeNode(content);
}

/** Digest of the whole tree: equal for equal sets of rows, whatever their history. */
export const rootDigest = (nodes: NodeSource): Octets => nodeDigest(nodeAt(nodes, ROOT).content);

/** Digest of the leaf under `key`, if there is one. */
export function findLeaf(nodes: NodeSource, key: Octets): Octets | undefined {
  let node = nodeAt(nodes, ROOT);
  for (;;) {
    const child = node.child(key.charCodeAt(node.prefix.length));
    if (child === undefined || !key.startsWith(child.path)) return undefined;
    if (child.leaf) return child.digest;
    node = nodeAt(nodes, child.path);
  }
}

/** All leaves of a part of the tree, in the order of their keys. */
export function* leavesUnder(nodes: NodeSource, child: Child | undefined): IterableIterator<Child> {
  if (child === undefined) return;
  if (child.leaf) {
    yield child;
    return;
  }
  for (const below of nodeAt(nodes, child.path).children()) yield* leavesUnder(nodes, below);
}
