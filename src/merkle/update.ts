/** Changes of many rows at once, each node that they touch read, hashed and stored once. */
import { assert } from '../limits.js';
import { KEY_BYTES, nodeDigest } from './hashing.js';
import { type Child, TreeNode } from './node.js';
import { commonLength, type Octets } from './octets.js';
import { nodeAt, ROOT } from './read.js';
import type { NodeStorage } from './storage.js';

/**
 * Brings rows into the tree.
 * @param changes digest of the row's leaf by the row's key; undefined: there is no such row any more, or never was
 * @returns digest of the whole tree
 */
export function updateTree(nodes: NodeStorage, changes: ReadonlyMap<Octets, Octets | undefined>): Octets {
  const keys = [...changes.keys()].sort();
  for (const key of keys) assert(key.length === KEY_BYTES, 'keys are of one length');
  return new Update(nodes, changes, keys).root();
}

/**
 * A radix trie in normal form: the node of a prefix exists if and only if two keys part right after it (and at the
 * root). So its shape follows from the set of keys. Ranges [from, to) are of `keys`, which are sorted.
 */
class Update {
  constructor(
    private readonly nodes: NodeStorage,
    private readonly changes: ReadonlyMap<Octets, Octets | undefined>,
    private readonly keys: readonly Octets[],
  ) {}

  root(): Octets {
    const before = nodeAt(this.nodes, ROOT);
    const after = this.updateNode(before, 0, this.keys.length);
    if (after !== before) this.nodes.put(ROOT, after.content);
    return nodeDigest(after.content);
  }

  /** Applies changes to what stands at one place of a node, and returns what stands there then. */
  private updateChild(child: Child | undefined, from: number, to: number): Child | undefined {
    const path = this.commonPath(child, from, to);
    if (path === undefined) return undefined;
    if (path.length === KEY_BYTES) return this.updateLeaf(child, path);
    if (child !== undefined && !child.leaf && child.path === path) {
      const before = nodeAt(this.nodes, path);
      const after = this.updateNode(before, from, to);
      return after === before ? child : this.settled(after, true);
    }
    let node = TreeNode.empty(path);
    if (child !== undefined) node = node.edited(new Map([[child.path.charCodeAt(path.length), child]]));
    return this.settled(this.updateNode(node, from, to), false);
  }

  /** What all keys have in common that are there or are added. */
  private commonPath(child: Child | undefined, from: number, to: number): Octets | undefined {
    const first = this.nextAdded(from, to, 1);
    if (first === undefined) return child?.path;
    const last = this.nextAdded(to - 1, from - 1, -1)!;
    let length = commonLength(first, last);
    if (child !== undefined) length = Math.min(length, commonLength(first, child.path));
    return first.slice(0, length);
  }

  private nextAdded(from: number, end: number, step: number): Octets | undefined {
    for (let at = from; at !== end; at += step) {
      if (this.changes.get(this.keys[at]) !== undefined) return this.keys[at];
    }
    return undefined;
  }

  private updateLeaf(child: Child | undefined, key: Octets): Child | undefined {
    if (!this.changes.has(key)) return child;
    const digest = this.changes.get(key);
    return digest === undefined ? undefined : { leaf: true, path: key, digest };
  }

  private updateNode(node: TreeNode, from: number, to: number): TreeNode {
    const { keys } = this;
    const { prefix } = node;
    const edits = new Map<number, Child | undefined>();
    let start = from;
    while (start < to) {
      // A key beside the prefix is one that was to be removed and is not there.
      if (!keys[start].startsWith(prefix)) {
        start++;
        continue;
      }
      const byte = keys[start].charCodeAt(prefix.length);
      let end = start + 1;
      while (end < to && keys[end].charCodeAt(prefix.length) === byte && keys[end].startsWith(prefix)) end++;
      const before = node.child(byte);
      const after = this.updateChild(before, start, end);
      if (after?.digest !== before?.digest) edits.set(byte, after);
      start = end;
    }
    return edits.size === 0 ? node : node.edited(edits);
  }

  /** Stores a changed node that is not the root, or puts in its place the only child it has left. */
  private settled(node: TreeNode, stored: boolean): Child | undefined {
    const path = node.prefix;
    if (node.count > 1) {
      this.nodes.put(path, node.content);
      return { leaf: false, path, digest: nodeDigest(node.content) };
    }
    if (stored) this.nodes.delete(path);
    const [only] = node.children();
    return only;
  }
}
