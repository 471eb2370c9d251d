/**
 * The walk that finds what a tree lacks to be another, of which only the root is known to be right. Nodes of the other
 * come from peers; each is checked against the digest its parent has of it before anything is done with it. Only where
 * digests differ does the walk descend, so that it asks for as much as differs.
 */
import { nodeDigest } from './hashing.js';
import { type Child, TreeNode } from './node.js';
import type { Octets } from './octets.js';
import { leavesUnder, nodeAt, ROOT, rootDigest } from './read.js';
import type { NodeSource } from './storage.js';

/** A node that the walk needs to go on. */
export interface MissingNode {
  prefix: Octets;
  digest: Octets;
  /** What the local tree has under that prefix. */
  readonly local: Child | undefined;
}

/** Told what the local tree needs to become the other: each key once, of one or the other. */
export interface DifferenceSink {
  /** The other tree has a row under `key` with that leaf; the local tree has none, or another. */
  changed(key: Octets, leaf: Octets): void;
  /** Only the local tree has a row under `key`. */
  removed(key: Octets): void;
}

/** The local tree must not change meanwhile. */
export class TreeDifference {
  /** Last in, first out: a depth-first walk has few nodes open, whatever the size of the trees. */
  private readonly missing: MissingNode[] = [];

  /** @param root digest of the other tree */
  constructor(
    private readonly local: NodeSource,
    root: Octets,
    private readonly sink: DifferenceSink,
  ) {
    const digest = rootDigest(local);
    if (digest !== root) this.missing.push({ prefix: ROOT, digest: root, local: { leaf: false, path: ROOT, digest } });
  }

  /** Nodes known to be needed and not taken. */
  get open(): number {
    return this.missing.length;
  }

  /** Takes a node to be fetched: it is the caller's until it is accepted or put back. */
  take(): MissingNode | undefined {
    return this.missing.pop();
  }

  putBack(node: MissingNode): void {
    this.missing.push(node);
  }

  /** Whether `content` is the node; only then may it be given to `accept`. */
  static isRight({ digest, prefix }: MissingNode, content: Buffer): boolean {
    return nodeDigest(content) === digest && TreeNode.parse(content)?.prefix === prefix;
  }

  /** Goes on below a node that was taken. */
  accept({ prefix, local }: MissingNode, content: Buffer): void {
    const other = new TreeNode(content);
    const mine = this.expand(local, prefix);
    for (let byte = 0; byte < 256; byte++) {
      if (mine.sameChild(byte, other)) continue;
      const wanted = other.child(byte);
      const have = mine.child(byte);
      if (wanted === undefined) this.remove(have);
      else if (wanted.leaf) this.compareLeaf(wanted, have);
      else this.compareNode(wanted, have);
    }
  }

  /** The local rows under `prefix` as if there were a node of that prefix. */
  private expand(local: Child | undefined, prefix: Octets): TreeNode {
    if (local !== undefined && !local.leaf && local.path === prefix) return nodeAt(this.local, prefix);
    const empty = TreeNode.empty(prefix);
    return local === undefined ? empty : empty.edited(new Map([[local.path.charCodeAt(prefix.length), local]]));
  }

  private remove(part: Child | undefined): void {
    for (const { path } of leavesUnder(this.local, part)) this.sink.removed(path);
  }

  private compareLeaf(wanted: Child, have: Child | undefined): void {
    let same = false;
    for (const { path, digest } of leavesUnder(this.local, have)) {
      if (path !== wanted.path) this.sink.removed(path);
      else same = digest === wanted.digest;
    }
    if (!same) this.sink.changed(wanted.path, wanted.digest);
  }

  /** Removes the local rows beside the wanted node's prefix, and looks for the part under it. */
  private compareNode(wanted: Child, have: Child | undefined): void {
    let part = have;
    while (part !== undefined && !part.path.startsWith(wanted.path)) {
      if (part.leaf || !wanted.path.startsWith(part.path)) {
        this.remove(part);
        part = undefined;
        break;
      }
      const node = nodeAt(this.local, part.path);
      const towards = wanted.path.charCodeAt(part.path.length);
      for (const child of node.children()) {
        if (child.path.charCodeAt(part.path.length) !== towards) this.remove(child);
      }
      part = node.child(towards);
    }
    if (part !== undefined && !part.leaf && part.digest === wanted.digest) return;
    this.missing.push({ prefix: wanted.path, digest: wanted.digest, local: part });
  }
}
