/** What this mount knows of the inodes that the kernel holds. */
import type { Attributes, Handle } from '../../src/fileservice/types.js';
import { ROOT_HANDLE, ROOT_INO } from '../../src/fileservice/types.js';
import { ChangeChain } from './change-chain.js';
import { SyncRecord } from './sync-record.js';

/** A name that led to an inode. */
export interface Link {
  parent: Node;
  name: string;
}

/** All names of a directory, as of when its change counter had the value its chain has. */
export interface Listing {
  names: Set<string>;
  /** Clock until which it may be answered from. */
  until: number;
}

/** Listings larger than this are not kept. */
export const LISTING_NAMES = 20_000;

/** Whoever misses a second name in a directory is probably about to fill it. */
const FIRST_ABSENCES_TO_LIST = 2;

export class Node implements Handle {
  readonly ino: number;
  generation: number;
  /** References the kernel holds. */
  lookups = 0;
  /** Open files, and opens under way. */
  opens = 0;
  /** The newest attributes seen, and the clock until which they may be answered. */
  attributes: Attributes | undefined;
  attributesUntil = 0;
  /** Clock until which the kernel may answer from attributes it got from here. */
  kernelUntil = 0;
  /** Until it resolves, the kernel may still answer from attributes that others have changed since. */
  expiring: Promise<void> | undefined;
  /** Names that led here, the last used one last, and the clock until which that one may be answered. */
  readonly links: Link[] = [];
  linkUntil = 0;
  /** Of a file: the changes behind the kernel's pages. Of a directory: those behind its listing. */
  readonly chain = new ChangeChain();
  /** The changes behind the attributes that the kernel answers from. */
  readonly kernelChain = new ChangeChain();
  /** Of a directory: inodes by name, as last seen. */
  readonly children = new Map<string, Node>();
  listing: Listing | undefined;
  /** Absent names asked for since the directory was last listed, and how many make listing it worth while. */
  private absences = 0;
  private absencesToList = FIRST_ABSENCES_TO_LIST;
  /** The kernel is being told to drop its pages of the file, which others have changed. */
  purging = false;
  /** The last name is gone, and the service keeps the inode for this mount until `release`. */
  retained = false;
  /** Clock until which the kernel may come here by a name without asking, also by one that was found to lead elsewhere. */
  walkUntil = 0;
  /** The name that led here last and does not any more: an OPEN that comes by it comes too late. */
  formerly: Link | undefined;
  /** Kept so since another mount removed the last name: by that name nobody may come here any more. */
  claimed = false;
  /** Clock until which it is kept even if no longer open: an OPEN may be coming. */
  sparedUntil = 0;
  /** Gone from the service by a change of this mount: whoever still holds it sees it as it was last. */
  removed = false;
  /** Of a directory: names that an OPEN found replaced, and the clock until which they are taken to be so often. */
  private contended: Map<string, number> | undefined;
  /** Of a file: changes of its data and attributes. Of a directory: those of its names. */
  readonly sync = new SyncRecord();
  /** The next attributes are believed even if they look older than those known. */
  private distrusted = false;
  /** An unlink or rename under way that may take the last name. */
  removal: Promise<unknown> | undefined;

  /** @param kernelIno the kernel's number for it, where that is another: what a mount shows first is always 1 there */
  constructor(
    handle: Handle,
    readonly kernelIno = handle.ino,
  ) {
    this.ino = handle.ino;
    this.generation = handle.generation;
  }

  get link(): Link | undefined {
    return this.links[this.links.length - 1];
  }

  /** Nothing remembered of this inode is answered any more. */
  expire(): void {
    this.attributesUntil = 0;
    this.linkUntil = 0;
    this.listing = undefined;
  }

  /** The service may have gone back behind what was seen of this inode: nothing of that counts any more. */
  distrust(): void {
    this.expire();
    this.chain.break();
    this.kernelChain.break();
    this.distrusted = true;
    this.retained = false;
    this.claimed = false;
    this.removed = false;
  }

  /** An OPEN through `name` came too late: its file had been replaced or removed. */
  contend(name: string, until: number): void {
    this.contended ??= new Map();
    this.contended.set(name, until);
  }

  isContended(name: string): boolean {
    const until = this.contended?.get(name);
    if (until === undefined || until > performance.now()) return until !== undefined;
    this.contended?.delete(name);
    return false;
  }

  markRemoved(): void {
    this.expire();
    this.removed = true;
    if (this.attributes !== undefined) this.attributes = { ...this.attributes, nlink: 0 };
  }

  /** Takes attributes over that are good until `until`, unless newer ones are known already. */
  learn(attributes: Attributes, until: number): void {
    if (attributes.generation !== this.generation) {
      this.generation = attributes.generation;
      this.attributes = undefined;
      this.chain.break();
      this.listing = undefined;
    }
    const known = this.attributes;
    if (known !== undefined && attributes.change < known.change && !this.distrusted) return;
    this.distrusted = false;
    // A directory changed by others: the listing is of the past.
    if (this.listing !== undefined) {
      if (this.chain.reaches(attributes.change)) this.listing.until = Math.max(this.listing.until, until);
      else this.listing = undefined;
    }
    this.attributes = attributes;
    this.attributesUntil = known?.change === attributes.change ? Math.max(this.attributesUntil, until) : until;
  }

  /** As `learn`, for attributes that a change by this mount returned. */
  learnOwn(attributes: Attributes, until: number): void {
    this.chain.own(attributes.change);
    this.kernelChain.own(attributes.change);
    this.learn(attributes, until);
  }

  /** A name was not found and no listing could tell. */
  missed(): void {
    this.absences++;
  }

  /**
   * Whether the next absent name should be answered by listing the directory: one call then stands for all that
   * follow. Each time it takes twice the absences, so that a directory that others keep changing is seldom listed.
   */
  shouldList(): boolean {
    if (this.absences < this.absencesToList) return false;
    this.absences = 0;
    this.absencesToList *= 2;
    return true;
  }

  /**
   * Keeps the names just read, all while the directory's change counter was `change`.
   * @returns false if they are of the past by now
   */
  keepListing(names: Set<string>, change: number, until: number): boolean {
    if (this.attributes !== undefined && this.attributes.change !== change) return false;
    this.chain.restart(change);
    this.listing = names.size <= LISTING_NAMES ? { names, until } : undefined;
    return true;
  }

  /** `name` in this directory now leads to `child`. */
  bind(name: string, child: Node, until: number): void {
    const known = this.children.get(name);
    if (known !== child) {
      if (known !== undefined) forgetLink(known, this, name);
      this.children.set(name, child);
    }
    if (child.link?.parent !== this || child.link.name !== name) {
      forgetLink(child, this, name);
      child.links.push({ parent: this, name });
    }
    child.linkUntil = until;
    this.listing?.names.add(name);
  }

  /** `name` in this directory leads nowhere, as far as is known. */
  unbind(name: string): void {
    const child = this.children.get(name);
    if (child !== undefined) {
      this.children.delete(name);
      forgetLink(child, this, name);
    }
    this.listing?.names.delete(name);
  }
}

function forgetLink(node: Node, parent: Node, name: string): void {
  const at = node.links.findIndex((link) => link.parent === parent && link.name === name);
  if (at === -1) return;
  if (at === node.links.length - 1) node.linkUntil = 0;
  node.formerly = node.links[at];
  node.links.splice(at, 1);
}

/** Exactly the inodes that the kernel references or that are open: its bound is the kernel's. */
export class NodeTable {
  readonly root: Node;
  private readonly nodes: Map<number, Node>;

  /** @param root the directory that is mounted */
  constructor(root: Handle = ROOT_HANDLE) {
    this.root = new Node(root, ROOT_INO);
    this.nodes = new Map([[root.ino, this.root]]);
  }

  get size(): number {
    return this.nodes.size;
  }

  values(): Iterable<Node> {
    return this.nodes.values();
  }

  /** @param ino the kernel's number, or the service's: the root of all, which alone has 1 there, is in no subtree */
  get(ino: number): Node | undefined {
    return ino === ROOT_INO ? this.root : this.nodes.get(ino);
  }

  /** The node of these attributes, made if the kernel gets to know it just now; takes them over. */
  learn(attributes: Attributes, until: number): Node {
    let node = this.nodes.get(attributes.ino);
    if (node === undefined) {
      node = new Node(attributes);
      this.nodes.set(node.ino, node);
    }
    node.learn(attributes, until);
    return node;
  }

  forget(ino: number, count: number): void {
    const node = this.get(ino);
    if (node === undefined) return;
    node.lookups -= count;
    this.dropIfUnused(node);
  }

  /** To be called when a node has lost its last kernel reference or open file. */
  dropIfUnused(node: Node): void {
    if (node.lookups > 0 || node.opens > 0 || node === this.root) return;
    this.nodes.delete(node.ino);
    for (const { parent, name } of node.links.splice(0)) parent.children.delete(name);
  }
}
