/** Calls on names: finding, making, moving and removing what directories hold. */
import { Errno } from '../src/fileservice/errno.js';
import { type OperationOf, RenameFlag } from '../src/fileservice/operations.js';
import type { DirectoryEntry, Failure, NodeResult } from '../src/fileservice/results.js';
import { type Attributes, FileLimits, isDirectory } from '../src/fileservice/types.js';
import type { Node } from './cache/node.js';
import { type Caller, DONE, type EntryAnswer, type LookupAnswer, type Outcome } from './kernel/kernel.js';
import { type MountContext, STALE } from './mount-context.js';

type Making = OperationOf<'mkdir' | 'mknod' | 'symlink' | 'create' | 'link'>;
type WithoutPlace<O> = O extends unknown ? Omit<O, 'parent' | 'name'> : never;

/** What a call on (parent, name) left there. */
export interface Made {
  errno: 0;
  node: Node;
  /** False where CREATE opened what was there. */
  created: boolean;
}

/** Some 250 entries. Larger directories are not listed for the sake of one name. */
const SMALL_LISTING_BYTES = 32 * 1024;

/** How long a name counts as contended, and an unlinked file is kept for an OPEN on its way. */
export const CONTENTION_MS = 1000;

/** A name in a directory that changes all the time is asked for again so often at most. */
const OVERTAKEN = 8;

const ABSENT: Failure = { errno: Errno.ENOENT };

export function entryName({ name }: DirectoryEntry): string {
  return Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1');
}

export const bytesOf = (name: string): Buffer => Buffer.from(name, 'latin1');

export class Namespace {
  constructor(private readonly context: MountContext) {}

  lookup(caller: Caller, parentIno: number, name: string): LookupAnswer | Promise<LookupAnswer> {
    const parent = this.context.nodes.get(parentIno);
    if (parent === undefined) return STALE;
    if (parent.removed) return ABSENT;
    if (name.length > FileLimits.nameBytes) return { errno: Errno.ENAMETOOLONG };
    return this.remembered(parent, name) ?? this.ask(caller, parent, name);
  }

  /** What the directory's listing, or an earlier reply, says of a name while that may be answered. */
  private remembered(parent: Node, name: string): LookupAnswer | undefined {
    const { freshness } = this.context;
    const { listing } = parent;
    if (listing !== undefined && this.context.isFresh(listing.until) && !listing.names.has(name)) {
      return { errno: Errno.ENOENT, absentMs: freshness.leftOfName(listing.until) };
    }
    const child = parent.children.get(name);
    const link = child?.link;
    if (child === undefined || link?.parent !== parent || link.name !== name) return undefined;
    if (!this.context.isFresh(Math.min(child.linkUntil, child.attributesUntil))) return undefined;
    // It is about to lose a name: whoever was told to walk again would come too late again.
    if (child.removal !== undefined) return undefined;
    return { errno: 0, ...this.context.entryAnswer(child) };
  }

  private async ask(caller: Caller, parent: Node, name: string, attempt = 0): Promise<LookupAnswer> {
    const { files, credentials, nodes, profile, freshness } = this.context;
    const removal = parent.children.get(name)?.removal;
    if (removal !== undefined) await removal;
    if (profile.listings && parent.shouldList()) {
      const known = await this.list(caller, parent, name);
      if (known !== undefined) return known;
    }
    const until = this.context.freshUntil();
    const before = parent.attributes?.change;
    const result = await files.perform(credentials.of(caller), { op: 'lookup', parent, name: bytesOf(name) });
    if (result.errno === Errno.ENOENT) {
      // Made here meanwhile, perhaps.
      if (parent.attributes?.change !== before) return result;
      parent.unbind(name);
      parent.missed();
      return profile.absentNames ? { errno: Errno.ENOENT, absentMs: freshness.leftOfName(until) } : result;
    }
    if (result.errno !== 0) return result;
    const { attributes, parent: parentAttributes } = result as NodeResult;
    // Overtaken by a change of the directory that is known here: the name may lead elsewhere by now.
    if (isOvertaken(parent, parentAttributes) && attempt < OVERTAKEN)
      return this.ask(caller, parent, name, attempt + 1);
    if (parentAttributes) parent.learn(parentAttributes, until);
    const node = nodes.learn(attributes, until);
    this.context.notice(node);
    parent.bind(name, node, until);
    return { errno: 0, ...this.context.entryAnswer(node) };
  }

  /** Answers from all names of a directory, read for the names that will be asked for next; undefined if it is large. */
  private async list(caller: Caller, parent: Node, name: string): Promise<LookupAnswer | undefined> {
    const { files, credentials, nodes } = this.context;
    const until = this.context.freshUntil();
    const who = credentials.of(caller);
    const operation = { op: 'readdir', directory: parent, cookie: 0, maxBytes: SMALL_LISTING_BYTES } as const;
    const result = await files.perform(who, operation);
    if (!('entries' in result) || !result.end || isOvertaken(parent, result.directory)) return undefined;
    parent.learn(result.directory, until);
    const names = new Set(result.entries.map(entryName));
    this.context.keepListing(parent, names, result.directory.change, until);
    const entry = result.entries.find((each) => entryName(each) === name);
    if (entry === undefined) return this.remembered(parent, name);
    const node = nodes.learn(entry.attributes, until);
    this.context.notice(node);
    parent.bind(name, node, until);
    return { errno: 0, ...this.context.entryAnswer(node) };
  }

  /** An entry with one more reference for the kernel. */
  async makeEntry(
    caller: Caller,
    parentIno: number,
    name: string,
    making: WithoutPlace<Making>,
  ): Promise<Outcome<EntryAnswer>> {
    const made = await this.make(caller, parentIno, name, making);
    return 'node' in made ? { errno: 0, ...this.context.entryAnswer(made.node) } : made;
  }

  /** Performs an operation that gives `name` in a directory to an inode, and remembers what it returns. */
  async make(caller: Caller, parentIno: number, name: string, making: WithoutPlace<Making>): Promise<Failure | Made> {
    const { files, credentials, nodes } = this.context;
    const parent = nodes.get(parentIno);
    if (parent === undefined) return STALE;
    if (parent.removed) return ABSENT;
    const until = this.context.freshUntil();
    const operation = { ...making, parent, name: bytesOf(name) } as Making;
    const result = await files.perform(credentials.of(caller), operation);
    if (result.errno !== 0) {
      // EEXIST, ENOENT and the like contradict what the kernel believed: ask again.
      parent.expire();
      parent.children.get(name)?.expire();
      return result;
    }
    const { attributes, parent: parentAttributes, created = true } = result as NodeResult & { created?: boolean };
    const node = nodes.learn(attributes, until);
    if (making.op === 'link' || !created) node.learnOwn(attributes, until);
    else this.startChains(node, making.op, attributes, until);
    if (parentAttributes) learnParent(parent, parentAttributes, until, created);
    parent.bind(name, node, until);
    return { errno: 0, node, created };
  }

  /** Nobody else can have changed what was just made. */
  private startChains(node: Node, op: Making['op'], attributes: Attributes, until: number): void {
    if (op === 'mkdir') node.keepListing(new Set(), attributes.change, until);
    else node.chain.restart(attributes.change);
  }

  async link(caller: Caller, ino: number, parentIno: number, name: string): Promise<Outcome<EntryAnswer>> {
    const node = this.context.nodes.get(ino);
    if (node === undefined) return STALE;
    return this.makeEntry(caller, parentIno, name, { op: 'link', node });
  }

  async readlink(caller: Caller, ino: number): Promise<Outcome<{ target: Uint8Array }>> {
    const node = this.context.nodes.get(ino);
    if (node === undefined) return STALE;
    const result = await this.context.files.perform(this.context.credentials.of(caller), { op: 'readlink', node });
    return 'target' in result ? result : { errno: result.errno };
  }

  async unlink(caller: Caller, parentIno: number, name: string): Promise<Outcome> {
    const { files, credentials, nodes } = this.context;
    const parent = nodes.get(parentIno);
    if (parent === undefined) return STALE;
    const until = this.context.freshUntil();
    const victim = parent.children.get(name);
    const retention = retentionOf(parent, name);
    const who = credentials.of(caller);
    const call = files.perform(who, { op: 'unlink', parent, name: bytesOf(name), retain: retention.ino });
    const result = await removing(victim, call);
    if (!('parent' in result)) return this.contradicted(result, parent, victim);
    this.removed(victim, result.node, retention, until);
    learnParent(parent, result.parent, until, true);
    parent.unbind(name);
    return DONE;
  }

  async rmdir(caller: Caller, parentIno: number, name: string): Promise<Outcome> {
    const { files, credentials, nodes } = this.context;
    const parent = nodes.get(parentIno);
    if (parent === undefined) return STALE;
    const until = this.context.freshUntil();
    const result = await files.perform(credentials.of(caller), { op: 'rmdir', parent, name: bytesOf(name) });
    const victim = parent.children.get(name);
    if (!('parent' in result)) return this.contradicted(result, parent, victim);
    victim?.markRemoved();
    learnParent(parent, result.parent, until, true);
    parent.unbind(name);
    return DONE;
  }

  async rename(
    caller: Caller,
    parentIno: number,
    name: string,
    newParentIno: number,
    newName: string,
    flags: number,
  ): Promise<Outcome> {
    const { files, credentials, nodes, writes } = this.context;
    const parent = nodes.get(parentIno);
    const newParent = nodes.get(newParentIno);
    if (parent === undefined || newParent === undefined) return STALE;
    const node = parent.children.get(name);
    const other = newParent.children.get(newName);
    // Whoever finds the new name finds the data, as after a rename on a local disk.
    const lost = node !== undefined && writes.isDirty(node) ? await this.context.writeBack(node) : undefined;
    if (lost !== undefined) return lost;
    const until = this.context.freshUntil();
    const retention = other === node ? NO_RETENTION : retentionOf(newParent, newName);
    const retain = retention.ino;
    const call = files.perform(credentials.of(caller), {
      ...{ op: 'rename', parent, name: bytesOf(name), newParent, newName: bytesOf(newName), flags, retain },
    });
    const result = await removing(other, call);
    if (!('newParent' in result)) {
      newParent.expire();
      other?.expire();
      return this.contradicted(result, parent, node);
    }
    const { node: attributes, replaced } = result;
    if (other !== undefined && replaced?.ino === other.ino) this.removed(other, replaced, retention, until);
    if (node?.ino === attributes.ino) node.learnOwn(attributes, until);
    // In one directory a rename is two changes, the counter being two higher.
    if (parent === newParent) parent.chain.own(result.parent.change - 1);
    learnParent(parent, result.parent, until, true);
    if (newParent !== parent) learnParent(newParent, result.newParent, until, true);
    // Two names of one file: nothing was moved.
    if (node !== undefined && node === other) return DONE;
    this.rebind(parent, name, newParent, newName, (flags & RenameFlag.EXCHANGE) !== 0, until);
    return DONE;
  }

  /** Moves what is remembered under one name to another, or swaps the two. */
  private rebind(parent: Node, name: string, newParent: Node, newName: string, swap: boolean, until: number): void {
    const node = parent.children.get(name);
    const other = newParent.children.get(newName);
    parent.unbind(name);
    newParent.unbind(newName);
    if (node !== undefined) newParent.bind(newName, node, until);
    else newParent.listing?.names.add(newName);
    if (!swap) return;
    if (other !== undefined) parent.bind(name, other, until);
    else parent.listing?.names.add(name);
  }

  /** `victim` lost a name; if it was its last and the file is open here, the service keeps it for this mount. */
  private removed(
    victim: Node | undefined,
    attributes: Attributes,
    { ino: retain, spared }: Retention,
    until: number,
  ): void {
    if (victim === undefined || victim.ino !== attributes.ino) return;
    victim.learnOwn(attributes, until);
    // The kernel forgets the name with this very answer.
    victim.walkUntil = 0;
    if (attributes.nlink > 0) return;
    if (retain !== victim.ino || isDirectory(attributes.mode)) {
      victim.markRemoved();
      return;
    }
    victim.retained = true;
    if (spared) victim.sparedUntil = performance.now() + CONTENTION_MS;
    this.context.releaseIfUnused(victim);
  }

  private contradicted(result: { errno: number }, parent: Node, victim: Node | undefined): Failure {
    parent.expire();
    victim?.expire();
    return { errno: result.errno };
  }
}

/** Whether a reply about names in a directory is older than what is known of it. */
const isOvertaken = (directory: Node, attributes: Attributes | undefined): boolean =>
  attributes !== undefined && directory.attributes !== undefined && attributes.change < directory.attributes.change;

/** What the service must keep when a name is an inode's last. */
interface Retention {
  /** 0: nothing. */
  ino: number;
  /** Also without being open, for a while. */
  spared: boolean;
}

const NO_RETENTION: Retention = { ino: 0, spared: false };

/**
 * An inode that is open here. Where an OPEN has just come too late, also one that is not: Linux walks again only once
 * after ESTALE, and a name that is replaced all the time could be replaced between that walk and its OPEN.
 */
function retentionOf(parent: Node, name: string): Retention {
  const victim = parent.children.get(name);
  const spared = parent.isContended(name);
  return victim !== undefined && (victim.opens > 0 || spared) ? { ino: victim.ino, spared } : NO_RETENTION;
}

/** The directory after a change by this mount; `changed` false where the call found all as it should be. */
function learnParent(parent: Node, attributes: Attributes, until: number, changed: boolean): void {
  if (!changed) return parent.learn(attributes, until);
  parent.learnOwn(attributes, until);
  parent.sync.changed();
}

/** An OPEN of the victim waits for the call: else it could be executed first and its file be gone all the same. */
async function removing<T>(victim: Node | undefined, call: Promise<T>): Promise<T> {
  if (victim === undefined) return call;
  victim.removal = call;
  try {
    return await call;
  } finally {
    if (victim.removal === call) victim.removal = undefined;
  }
}
