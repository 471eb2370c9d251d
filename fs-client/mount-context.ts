/** What the parts of one mount's file system share, and the answers they all give. */
import type { Logger } from 'pino';
import { Errno } from '../src/fileservice/errno.js';
import type { Operation } from '../src/fileservice/operations.js';
import type { Failure, Results } from '../src/fileservice/results.js';
import type { Attributes, Handle } from '../src/fileservice/types.js';
import { Freshness, LATE_MS } from './cache/freshness.js';
import { type Node, NodeTable } from './cache/node.js';
import type { Profile } from './cache/profile.js';
import { LOST } from './cache/sync-record.js';
import { type Extent, WriteBehind } from './cache/write-behind.js';
import { CredentialsCache, type Squash } from './credentials.js';
import { type Files, isInDoubt } from './files.js';
import type { AttributesAnswer, EntryAnswer, Notifier } from './kernel/kernel.js';
import type { OpenFile } from './open-file.js';

export const STALE: Failure = { errno: Errno.ESTALE };

/** Until the kernel is attached there is nothing it could remember. */
const NOBODY: Notifier = {
  invalidateAttributes: async () => {},
  invalidateData: async () => {},
  launderData: async () => {},
  invalidateEntry: () => {},
  invalidateEntries: () => true,
};

/** Of what is there, what a mount shows, and as whom it acts. */
export interface Scope {
  /** The directory that is mounted; default: the root of all. */
  root?: Handle;
  /** Default: everybody is who they are. */
  squash?: Squash;
}

export class MountContext {
  readonly nodes: NodeTable;
  readonly credentials: CredentialsCache;
  readonly freshness: Freshness;
  readonly writes = new WriteBehind<OpenFile>((extent) => this.execute(extent));
  notifier: Notifier = NOBODY;
  /** Every call is made as one user. */
  private readonly squashed: boolean;
  /** No more calls will come. */
  ended = false;
  /** Files whose changes failed when nobody could be told any more. */
  private readonly untold = new Set<number>();
  /** Calls that nobody waits for, but an unmount does. */
  private readonly background = new Set<Promise<unknown>>();
  private readonly openNodes = new Set<Node>();

  constructor(
    readonly files: Files,
    readonly profile: Profile,
    readonly log: Logger,
    scope: Scope = {},
  ) {
    this.nodes = new NodeTable(scope.root);
    this.freshness = new Freshness(profile.freshMs);
    this.credentials = new CredentialsCache(scope.squash);
    this.squashed = scope.squash !== undefined;
  }

  /** Clock until which what a call made now returns may be answered. */
  freshUntil(): number {
    return this.freshness.until();
  }

  /** Whether what was learnt until then may be answered now. */
  isFresh(until: number): boolean {
    return this.freshness.left(until) > 0;
  }

  /**
   * A lock was granted: nothing is answered any more, here or by the kernel, that others may have changed before, be it
   * names, absent ones too, or attributes. Of data only the locked file's is looked after, by `revalidate`.
   * @returns until when what came with the lock may be answered
   */
  async startAfresh(): Promise<number> {
    const until = this.freshness.restart();
    const told = this.profile.freshMs === 0 || this.notifier.invalidateEntries();
    const now = performance.now();
    const remembered = [...this.openNodes].filter(({ kernelUntil }) => kernelUntil > now);
    for (const node of remembered) node.kernelUntil = 0;
    await Promise.all([
      told ? undefined : this.freshness.namesExpired(),
      ...remembered.map(({ kernelIno }) => this.notifier.invalidateAttributes(kernelIno)),
    ]);
    return until;
  }

  /**
   * A call through an open file. What that was opened for holds, though mode or owner of the file have changed since
   * (POSIX). The service knows of no open files, but never keeps an owner from the data: it is done as whoever that is now.
   */
  async performOn<O extends Operation>(
    { node, credentials }: OpenFile,
    operation: O,
    since?: number,
  ): Promise<Failure | Results[O['op']]> {
    const result = await this.files.perform(credentials, operation, since);
    if (result.errno !== Errno.EACCES || this.squashed) return result;
    const found = await this.files.perform(credentials, { op: 'getattr', node });
    if (!('attributes' in found)) return result;
    const { uid, gid } = found.attributes;
    return this.files.perform({ uid, gid, groups: [] }, operation, since);
  }

  /** To the kernel: it may answer from these attributes itself. */
  attributesAnswer(node: Node): AttributesAnswer {
    let attributes = node.attributes as Attributes;
    let attributesMs = this.freshness.left(node.attributesUntil);
    if (this.writes.isDirty(node)) {
      // The size is known, the times are not: whoever wants them asks, and is answered after the writes.
      attributesMs = 0;
      const end = this.writes.end(node);
      if (end > attributes.size) attributes = { ...attributes, size: end };
    }
    if (attributesMs > 0) node.kernelUntil = performance.now() + attributesMs + LATE_MS;
    node.kernelChain.restart(attributes.change);
    return { attributes, attributesMs };
  }

  /** As `attributesAnswer`, with one more reference for the kernel. */
  entryAnswer(node: Node): EntryAnswer {
    node.lookups++;
    const answer = this.attributesAnswer(node);
    node.walkUntil = Math.max(node.walkUntil, node.linkUntil + LATE_MS);
    return { ...answer, entryMs: this.freshness.leftOfName(node.linkUntil) };
  }

  inBackground(work: Promise<unknown>): void {
    this.background.add(work);
    work.finally(() => this.background.delete(work));
  }

  /** Resolves when nothing is held back or under way any more. */
  async quiesce(): Promise<void> {
    await this.writes.flushAll();
    await Promise.all(this.background);
  }

  /** Executes what is held of the node, before a change that must not be executed without that. */
  async writeBack(node: Node): Promise<Failure | undefined> {
    const { sessionsLost } = this.files;
    await this.writes.flush(node);
    return sessionsLost === this.files.sessionsLost ? undefined : LOST;
  }

  get unsent(): number {
    return this.writes.files + this.untold.size;
  }

  /** The node has one open file more, or an OPEN under way. */
  opened(node: Node): void {
    node.opens++;
    this.openNodes.add(node);
  }

  /** The node has one open file less; with the last one an unlinked file is let go. */
  closed(node: Node): void {
    node.opens--;
    if (node.opens > 0) return;
    this.openNodes.delete(node);
    this.releaseIfUnused(node);
    this.nodes.dropIfUnused(node);
  }

  /**
   * Nothing that was seen in the session counts any more, what it kept for this mount is gone with it, and what it was
   * told and did not sync may be. Data that is still held is given up like that, instead of being put on top of a file
   * that may have gone back.
   * @returns the open files that had unsynced changes
   */
  sessionLost(): number[] {
    const unsynced: number[] = [];
    this.files.sessionsLost++;
    this.writes.discardAll();
    for (const node of this.nodes.values()) {
      const lost = node.sync.lose();
      node.distrust();
      if (node.opens === 0) continue;
      if (lost) unsynced.push(node.ino);
      // Pages of other files are dropped at their next OPEN.
      void this.notifier.invalidateData(node.kernelIno);
    }
    this.notifier.invalidateEntries();
    return unsynced;
  }

  /**
   * Another mount has removed the inode's last name: whether it is open here, and so is to be kept.
   * An OPEN that is under way counts.
   */
  claim(ino: number): boolean {
    const node = this.nodes.get(ino);
    node?.expire();
    if (node === undefined || node.opens === 0) return false;
    node.retained = true;
    node.claimed = true;
    return true;
  }

  /**
   * Takes over the newest attributes, before something is answered that promises to show what others have done.
   * @returns whether the kernel's pages of the file are still those of the service
   */
  async revalidate(node: Node, attributes: Attributes, until: number): Promise<boolean> {
    const current = node.chain.reaches(attributes.change);
    // The pages are to be dropped, and stay those of the past until the kernel has done so.
    if (!current) node.chain.break();
    node.learn(attributes, until);
    await this.expireInKernel(node, attributes);
    return current;
  }

  /**
   * To be called when attributes of the node were learnt that nobody was promised anything with. If others have changed
   * a file that is open here, its users get to see that by and by, instead of never while its pages stay cached. One
   * notification at a time: what comes meanwhile is found by whoever asks next.
   */
  notice(node: Node): void {
    const { attributes, chain } = node;
    if (!this.profile.pageCache || node.opens === 0 || attributes === undefined) return;
    if (node.purging || this.writes.isDirty(node) || chain.reaches(attributes.change)) return;
    // From when they are dropped, its pages are not older than this. Until then no OPEN keeps them.
    chain.break();
    const { mark } = chain;
    node.purging = true;
    void this.notifier.invalidateData(node.kernelIno).then(() => {
      node.purging = false;
      chain.restartSince(mark, attributes.change);
    });
  }

  /** All names of a directory were read while its change counter was `change`. */
  keepListing(directory: Node, names: Set<string>, change: number, until: number): void {
    // A name that this mount has made since is not gone.
    if (!directory.keepListing(names, change, until)) return;
    for (const name of directory.children.keys()) {
      if (names.has(name)) continue;
      // Another mount removed it: the kernel need not wait for its own time limit.
      directory.unbind(name);
      this.notifier.invalidateEntry(directory.kernelIno, name);
    }
  }

  /** Others changed the file since the kernel got its attributes: their size would hide what they appended. */
  private async expireInKernel(node: Node, attributes: Attributes): Promise<void> {
    if (node.kernelUntil > performance.now() && !node.kernelChain.reaches(attributes.change)) {
      node.kernelUntil = 0;
      const expiring = this.notifier.invalidateAttributes(node.kernelIno);
      node.expiring = expiring;
      void expiring.then(() => {
        if (node.expiring === expiring) node.expiring = undefined;
      });
    }
    // Also for another call's sake under way: until then the kernel answers from the old ones.
    await node.expiring;
  }

  /** An unlinked file that nobody can reach any more is dropped here, and freed by the service. */
  releaseIfUnused(node: Node): void {
    if (!node.retained || node.opens > 0) return;
    const wait = node.sparedUntil - performance.now();
    if (wait > 0) {
      setTimeout(() => this.releaseIfUnused(node), wait).unref();
      return;
    }
    node.retained = false;
    node.claimed = false;
    node.markRemoved();
    this.writes.discard(node);
    this.inBackground(this.release(node));
  }

  private async release(node: Node): Promise<void> {
    await this.writes.flush(node);
    const { ino, generation } = node;
    const result = await this.files.perform(this.credentials.own, { op: 'release', node: { ino, generation } });
    if (result.errno !== 0) this.log.warn({ ino, errno: result.errno }, 'an unlinked file was not released');
  }

  private async execute(extent: Extent<OpenFile>): Promise<void> {
    const { node, file, offset, data, append, killPrivileges, since } = extent;
    const until = this.freshUntil();
    const operation = { op: 'write', node, offset, data, append, killPrivileges } as const;
    const result = await this.performOn(file, operation, since);
    if ('attributes' in result) {
      const { attributes } = result;
      node.learnOwn(attributes, until);
      if (append && attributes.size !== offset + data.length) this.landedElsewhere(node);
      return;
    }
    file.fail(result.errno);
    if (this.ended) this.untold.add(node.ino);
    node.expire();
    node.chain.break();
    // Its pages hold what the service does not.
    void this.notifier.invalidateData(node.kernelIno);
    if (isInDoubt(result)) return; // Logged as such.
    this.log.warn({ ino: node.ino, offset, bytes: data.length, errno: result.errno }, 'a delayed write failed');
  }

  /** Others appended too: the kernel has the data in its pages at the offset where it expected the end of the file. */
  landedElsewhere(node: Node): void {
    node.chain.break();
    void this.notifier.invalidateData(node.kernelIno);
  }
}
