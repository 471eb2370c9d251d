/** Proof that a row is, or is not, in the tree of a certified root: the nodes on the way to where it stands or would. */
import { DIGEST_BYTES, KEY_BYTES, nodeDigest } from './hashing.js';
import { TreeNode } from './node.js';
import { type Octets, octets } from './octets.js';
import { nodeAt, ROOT } from './read.js';
import type { NodeSource } from './storage.js';

/** What a proof shows of a key: digest of its leaf, or that the tree has none. */
export type Proven = { present: true; leaf: Octets } | { present: false };

/** Encoded nodes from the root downwards, as many as it takes to tell. */
export function prove(nodes: NodeSource, key: Octets): Buffer[] {
  const proof: Buffer[] = [];
  let prefix = ROOT;
  for (;;) {
    const node = nodeAt(nodes, prefix);
    proof.push(node.content);
    const child = node.child(key.charCodeAt(node.prefix.length));
    if (child === undefined || child.leaf || !key.startsWith(child.path)) return proof;
    prefix = child.path;
  }
}

/**
 * @param root digest of the tree, from whom it can be believed
 * @returns undefined if it proves nothing: a node is not the one its parent names, one is missing, or one is too many
 */
export function verifyProof(root: Uint8Array, key: Octets, proof: readonly Uint8Array[]): Proven | undefined {
  if (key.length !== KEY_BYTES || root.length !== DIGEST_BYTES) return undefined;
  let expected = octets(root);
  for (let at = 0; at < proof.length; at++) {
    const content = Buffer.from(proof[at].buffer, proof[at].byteOffset, proof[at].length);
    const node = nodeDigest(content) === expected ? TreeNode.parse(content) : undefined;
    if (node === undefined) return undefined;
    const child = node.child(key.charCodeAt(node.prefix.length));
    const last = at === proof.length - 1;
    if (child === undefined || !key.startsWith(child.path)) return last ? { present: false } : undefined;
    if (child.leaf) return last ? { present: true, leaf: child.digest } : undefined;
    expected = child.digest;
  }
  return undefined;
}
