/**
 * One interior node in canonical bytes, read and edited in place: a node that has 256 children takes 9 KiB, and most
 * changes replace one digest in it.
 *
 *   tag | prefix length, prefix | which children (32 bytes, a bit each) | which of them are leaves (32 bytes) |
 *   their digests | the length of each one's path below here | those paths
 *
 * Children are in the order of the byte that follows the prefix. A child's path is what its key, or its own prefix, has
 * after that byte; a leaf's path is as long as keys are, and is written without the zeros it ends with.
 */
import { DIGEST_BYTES, KEY_BYTES, NODE_TAG } from './hashing.js';
import type { Octets } from './octets.js';

/** What a node has at one byte: a row, or the node of all rows there. */
export interface Child {
  leaf: boolean;
  /** Of a leaf its whole key; of a node its prefix: all that the keys under it have in common. */
  path: Octets;
  digest: Octets;
}

const BITMAP_BYTES = 32;
const FANOUT = 256;
/** Prefix of a node: at least one byte is left to tell its children apart. */
const LONGEST_PREFIX = KEY_BYTES - 1;
export const LARGEST_NODE_BYTES =
  NODE_TAG.length + 1 + LONGEST_PREFIX + 2 * BITMAP_BYTES + FANOUT * (DIGEST_BYTES + 1 + KEY_BYTES - 1);

const ZEROS = '\0'.repeat(KEY_BYTES);
const tag = Buffer.from(NODE_TAG, 'latin1');
const bitsSet = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length);

export class TreeNode {
  private readonly prefixLength: number;
  private readonly present: number;
  private readonly leaves: number;
  private readonly digests: number;
  private readonly lengths: number;
  readonly count: number;

  /** @param content must be well-formed: our own, or `TreeNode.parse`d */
  constructor(readonly content: Buffer) {
    this.prefixLength = content[tag.length];
    this.present = tag.length + 1 + this.prefixLength;
    this.leaves = this.present + BITMAP_BYTES;
    this.digests = this.leaves + BITMAP_BYTES;
    this.count = this.rank(FANOUT);
    this.lengths = this.digests + this.count * DIGEST_BYTES;
  }

  static empty(prefix: Octets): TreeNode {
    const content = Buffer.alloc(tag.length + 1 + prefix.length + 2 * BITMAP_BYTES);
    content.set(tag);
    content[tag.length] = prefix.length;
    content.write(prefix, tag.length + 1, 'latin1');
    return new TreeNode(content);
  }

  /** A peer's bytes, if they are a node: whoever asks knows their digest already. */
  static parse(content: Buffer): TreeNode | undefined {
    if (content.length < tag.length + 1 || content.length > LARGEST_NODE_BYTES) return undefined;
    if (tag.compare(content, 0, tag.length) !== 0 || content[tag.length] > LONGEST_PREFIX) return undefined;
    if (content.length < tag.length + 1 + content[tag.length] + 2 * BITMAP_BYTES) return undefined;
    const node = new TreeNode(content);
    const paths = node.lengths + node.count;
    if (paths > content.length || paths + node.pathOffset(node.count) !== content.length) return undefined;
    return node.hasLeavesAmongChildren() ? node : undefined;
  }

  /** Nothing else would tell an altered root from what it was, which no digest of a parent covers. */
  private hasLeavesAmongChildren(): boolean {
    const { content, present, leaves } = this;
    for (let at = 0; at < BITMAP_BYTES; at++) if ((content[leaves + at] & ~content[present + at]) !== 0) return false;
    return true;
  }

  get prefix(): Octets {
    return this.content.toString('latin1', tag.length + 1, tag.length + 1 + this.prefixLength);
  }

  /** How many children come before `byte`. */
  private rank(byte: number): number {
    const { content, present } = this;
    const end = byte >> 3;
    let rank = 0;
    for (let at = 0; at < end; at++) rank += bitsSet[content[present + at]];
    return (byte & 7) === 0 ? rank : rank + bitsSet[content[present + end] & ((1 << (byte & 7)) - 1)];
  }

  /** Where the path of the child of that rank begins, from the first path's beginning. */
  private pathOffset(rank: number): number {
    const { content, lengths } = this;
    let offset = 0;
    for (let at = 0; at < rank; at++) offset += content[lengths + at];
    return offset;
  }

  private bit(bitmap: number, byte: number): boolean {
    return (this.content[bitmap + (byte >> 3)] & (1 << (byte & 7))) !== 0;
  }

  has(byte: number): boolean {
    return this.bit(this.present, byte);
  }

  /** The child under prefix and `byte`. */
  child(byte: number): Child | undefined {
    if (!this.has(byte)) return undefined;
    const { content } = this;
    const rank = this.rank(byte);
    const leaf = this.bit(this.leaves, byte);
    const digest = content.toString(
      'latin1',
      this.digests + rank * DIGEST_BYTES,
      this.digests + (rank + 1) * DIGEST_BYTES,
    );
    const from = this.lengths + this.count + this.pathOffset(rank);
    const path = content.toString('latin1', from, from + content[this.lengths + rank]);
    const known = this.prefix + String.fromCharCode(byte) + path;
    return { leaf, digest, path: leaf ? known + ZEROS.slice(known.length) : known };
  }

  /** Whether both have a child there, and the same: digests cover paths. */
  sameChild(byte: number, other: TreeNode): boolean {
    if (!this.has(byte) || !other.has(byte) || this.bit(this.leaves, byte) !== other.bit(other.leaves, byte)) {
      return false;
    }
    const mine = this.digests + this.rank(byte) * DIGEST_BYTES;
    const theirs = other.digests + other.rank(byte) * DIGEST_BYTES;
    return this.content.compare(other.content, theirs, theirs + DIGEST_BYTES, mine, mine + DIGEST_BYTES) === 0;
  }

  *children(): IterableIterator<Child> {
    for (let byte = 0; byte < FANOUT; byte++) if (this.has(byte)) yield this.child(byte)!;
  }

  /** The same node with other children, `undefined` for those removed; in the order of their bytes. */
  edited(edits: ReadonlyMap<number, Child | undefined>): TreeNode {
    return this.redigested(edits) ?? this.rebuilt(edits);
  }

  /** What most edits are: other digests under the same paths. */
  private redigested(edits: ReadonlyMap<number, Child | undefined>): TreeNode | undefined {
    for (const [byte, child] of edits) {
      if (child === undefined || !this.has(byte)) return undefined;
      if (child.leaf !== this.bit(this.leaves, byte) || child.path !== this.child(byte)!.path) return undefined;
    }
    const content = Buffer.from(this.content);
    for (const [byte, child] of edits) {
      content.write(child!.digest, this.digests + this.rank(byte) * DIGEST_BYTES, 'latin1');
    }
    return new TreeNode(content);
  }

  private rebuilt(edits: ReadonlyMap<number, Child | undefined>): TreeNode {
    let { count } = this;
    let pathBytes = this.content.length - this.lengths - count;
    for (const [byte, child] of edits) {
      if (this.has(byte)) {
        count--;
        pathBytes -= this.content[this.lengths + this.rank(byte)];
      }
      if (child === undefined) continue;
      count++;
      pathBytes += pathEnd(child, this.prefixLength + 1) - this.prefixLength - 1;
    }
    const content = Buffer.allocUnsafe(this.digests + count * (DIGEST_BYTES + 1) + pathBytes);
    content.set(this.content.subarray(0, this.digests));
    for (const [byte, child] of edits) {
      setBit(content, this.present, byte, child !== undefined);
      setBit(content, this.leaves, byte, child?.leaf === true);
    }
    this.copyChildren(edits, content, this.digests + count * DIGEST_BYTES);
    return new TreeNode(content);
  }

  /** Children that stay are copied in runs, between those that are edited. */
  private copyChildren(edits: ReadonlyMap<number, Child | undefined>, to: Buffer, lengthsAt: number): void {
    const { content, digests, lengths, prefixLength } = this;
    let digestAt = digests;
    let pathAt = lengthsAt + (lengthsAt - digests) / DIGEST_BYTES;
    let next = 0;
    let path = lengths + this.count;
    const copyUpTo = (rank: number): void => {
      const pathBytes = this.pathOffset(rank) - (path - lengths - this.count);
      content.copy(to, digestAt, digests + next * DIGEST_BYTES, digests + rank * DIGEST_BYTES);
      content.copy(to, lengthsAt, lengths + next, lengths + rank);
      content.copy(to, pathAt, path, path + pathBytes);
      digestAt += (rank - next) * DIGEST_BYTES;
      lengthsAt += rank - next;
      pathAt += pathBytes;
      path += pathBytes;
      next = rank;
    };
    for (const [byte, child] of edits) {
      copyUpTo(this.rank(byte));
      if (this.has(byte)) path += content[lengths + next++];
      if (child === undefined) continue;
      const rest = child.path.slice(prefixLength + 1, pathEnd(child, prefixLength + 1));
      digestAt += to.write(child.digest, digestAt, 'latin1');
      to[lengthsAt++] = rest.length;
      pathAt += to.write(rest, pathAt, 'latin1');
    }
    copyUpTo(this.count);
  }
}

function setBit(content: Buffer, bitmap: number, byte: number, set: boolean): void {
  const bit = 1 << (byte & 7);
  if (set) content[bitmap + (byte >> 3)] |= bit;
  else content[bitmap + (byte >> 3)] &= ~bit;
}

/** Where the path that is written ends, which begins at `from`: a leaf's without the zeros it ends with. */
function pathEnd({ leaf, path }: Child, from: number): number {
  let end = path.length;
  if (leaf) while (end > from && path.charCodeAt(end - 1) === 0) end--;
  return end;
}
