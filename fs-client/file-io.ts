/** Calls on files: attributes, opening, data. */
import { Errno } from '../src/fileservice/errno.js';
import type { LockRequest } from '../src/fileservice/locks.js';
import { Access } from '../src/fileservice/operations.js';
import { type Attributes, type Credentials, FileLimits, isDirectory } from '../src/fileservice/types.js';
import type { Link, Node } from './cache/node.js';
import { FileRanges } from './file-ranges.js';
import {
  type Answer,
  type AttributeChanges,
  type AttributesAnswer,
  type Caller,
  DONE,
  type EntryAnswer,
  type LockAnswer,
  type OpenAnswer,
  type Outcome,
  type WriteFlags,
} from './kernel/kernel.js';
import { OpenFlag } from './kernel/open-flags.js';
import type { Locks } from './locks.js';
import { type MountContext, STALE } from './mount-context.js';
import { bytesOf, CONTENTION_MS, type Namespace } from './namespace.js';
import { OpenFile } from './open-file.js';

const EMPTY = new Uint8Array(0);

/** A group does not lose power, start and begin a new incarnation in so short a time. */
const UNNOTICED_MS = 250;

export class FileIo {
  private readonly openFiles = new Map<number, OpenFile>();
  private readonly ranges: FileRanges;
  private nextFh = 1;

  constructor(
    private readonly context: MountContext,
    private readonly namespace: Namespace,
    private readonly locks: Locks,
  ) {
    this.ranges = new FileRanges(context);
  }

  testLock(fh: number, lock: LockRequest): Answer<LockAnswer> {
    const file = this.openFiles.get(fh);
    return file === undefined ? { errno: Errno.EBADF } : this.locks.test(file, lock);
  }

  setLock(fh: number, lock: LockRequest, wait: AbortSignal | undefined): Answer {
    const file = this.openFiles.get(fh);
    return file === undefined ? { errno: Errno.EBADF } : this.locks.set(file, lock, wait);
  }

  getattr(caller: Caller, ino: number): Answer<AttributesAnswer> {
    const { nodes, writes } = this.context;
    const node = nodes.get(ino);
    if (node === undefined) return STALE;
    if (node.removed || (!writes.isDirty(node) && this.context.isFresh(node.attributesUntil))) {
      return { errno: 0, ...this.context.attributesAnswer(node) };
    }
    return this.freshAttributes(caller, node);
  }

  private async freshAttributes(caller: Caller, node: Node): Promise<Outcome<AttributesAnswer>> {
    const { files, writes, credentials } = this.context;
    // The times of held data are those of its execution.
    await writes.flush(node);
    if (!this.context.isFresh(node.attributesUntil)) {
      const until = this.context.freshUntil();
      const result = await files.perform(credentials.withoutGroups(caller), { op: 'getattr', node });
      if ('attributes' in result) {
        node.learn(result.attributes, until);
        this.context.notice(node);
      } else if (!node.removed) {
        return result;
      }
    }
    return { errno: 0, ...this.context.attributesAnswer(node) };
  }

  /**
   * access(2) and chdir(2), where the kernel does not check permissions itself. What is done afterwards is decided by
   * the service anyway.
   */
  async access(caller: Caller, ino: number, access: number): Promise<Outcome> {
    const node = this.context.nodes.get(ino);
    if (node === undefined) return STALE;
    if (access === 0) return DONE;
    const who = this.context.credentials.of(caller);
    const writeDirectory = isDirectory(node.attributes?.mode ?? 0) ? access & Access.WRITE : 0;
    // OPEN is asked, which decides on the same grounds, but has no directory written to.
    const operation = { op: 'open', node, access: access & ~writeDirectory } as const;
    const result = await this.context.files.perform(who, operation);
    if (!('attributes' in result)) return result;
    return grants(result.attributes, who, writeDirectory) ? DONE : { errno: Errno.EACCES };
  }

  async setattr(
    caller: Caller,
    ino: number,
    fh: number | undefined,
    changes: AttributeChanges,
  ): Promise<Outcome<AttributesAnswer>> {
    const { nodes, credentials } = this.context;
    const node = nodes.get(ino);
    if (node === undefined) return STALE;
    if (changes.size !== undefined && changes.size > FileLimits.fileBytes) return { errno: Errno.EFBIG };
    const file = fh === undefined || changes.size === undefined ? undefined : this.openFiles.get(fh);
    const result = await this.change(file ?? credentials.of(caller), node, changes);
    if (result.errno !== 0) return result;
    return { errno: 0, ...this.context.attributesAnswer(node) };
  }

  /** @param by through an open file, or by somebody */
  private async change(by: OpenFile | Credentials, node: Node, changes: AttributeChanges): Promise<Outcome> {
    // Held data must not be cut, dated or owned after the fact.
    const lost = await this.context.writeBack(node);
    if (lost !== undefined) return lost;
    const until = this.context.freshUntil();
    const operation = { op: 'setattr', node, ...changes } as const;
    const result = await (by instanceof OpenFile
      ? this.context.performOn(by, operation)
      : this.context.files.perform(by, operation));
    if (!('attributes' in result)) {
      node.expire();
      return result;
    }
    node.learnOwn(result.attributes, until);
    node.sync.changed();
    return DONE;
  }

  /** Close-to-open: asks a quorum whether the name the kernel walked still leads here, and for the newest attributes. */
  async open(caller: Caller, ino: number, flags: number): Promise<Outcome<OpenAnswer>> {
    const { files, nodes, credentials, profile } = this.context;
    const node = nodes.get(ino);
    if (node === undefined) return STALE;
    // Counted from now on, so that an unlink that comes after this call spares the file.
    this.context.opened(node);
    const walked = node.link ?? node.formerly;
    if (node.removal !== undefined) await node.removal;
    const until = this.context.freshUntil();
    const who = credentials.of(caller);
    const operation = { op: 'open', node, access: accessOf(flags) } as const;
    const byName = profile.resolveAtOpen && (node.claimed || !node.retained);
    const link = byName ? node.link : undefined;
    // Another call has found its name to lead elsewhere. Later than that it was come to by its descriptor (/proc/PID/fd).
    if (byName && link === undefined && node.walkUntil > performance.now()) {
      forgetWalk(node, node.formerly);
      this.context.closed(node);
      return STALE;
    }
    const resolved = link === undefined ? operation : { ...operation, parent: link.parent, name: bytesOf(link.name) };
    let result = await files.perform(who, resolved);
    if (result.errno === Errno.ESTALE && link !== undefined) {
      // Replaced by this mount, meanwhile: the file that the walk found is kept for this very call.
      if (node.removal !== undefined) await node.removal;
      if (node.retained && !node.claimed) result = await files.perform(who, operation);
    }
    if (!('attributes' in result)) {
      if (result.errno === Errno.ESTALE) forgetWalk(node, walked);
      this.context.closed(node);
      return result;
    }
    if (result.parent !== undefined && link !== undefined) {
      link.parent.learn(result.parent, until);
      node.linkUntil = until;
    }
    const current = await this.context.revalidate(node, result.attributes, until);
    const answer = this.newFile(node, who, flags, current);
    if (!current) this.openFiles.get(answer.fh)?.dropsPages(result.attributes.change);
    return { errno: 0, ...answer };
  }

  private newFile(node: Node, credentials: Credentials, flags: number, current: boolean): OpenAnswer {
    const { pageCache, noFlush: unheard } = this.context.profile;
    const fh = this.nextFh++;
    this.openFiles.set(fh, new OpenFile(fh, node, credentials, flags));
    // A close of what was only read has nothing to wait for, unless it drops locks.
    const noFlush = unheard && (flags & OpenFlag.ACCESS_MODE) === 0 && !this.locks.concern(node);
    return { fh, keepCache: pageCache && current, directIo: !pageCache, noFlush };
  }

  async create(
    caller: Caller,
    parentIno: number,
    name: string,
    mode: number,
    flags: number,
    umask?: number,
  ): Promise<Outcome<EntryAnswer & { open: OpenAnswer }>> {
    const exclusive = (flags & OpenFlag.EXCLUSIVE) !== 0;
    const access = accessOf(flags);
    const who = this.context.credentials.of(caller);
    const making = { op: 'create', mode, umask, exclusive, truncate: false, access } as const;
    const made = await this.namespace.make(caller, parentIno, name, making);
    if (!('node' in made)) return made;
    const { node, created } = made;
    this.context.opened(node);
    if (created) node.sync.changed();
    if (!created && (flags & OpenFlag.TRUNCATE) !== 0) {
      // By a call of its own: only now is it known which file's changes it must not overtake.
      const cut = await this.change(who, node, { size: 0 });
      if (cut.errno !== 0) {
        this.context.closed(node);
        return cut;
      }
    }
    return { errno: 0, ...this.context.entryAnswer(node), open: this.newFile(node, who, flags, created) };
  }

  read(fh: number, offset: number, length: number): Answer<{ data: Uint8Array }> {
    const file = this.openFiles.get(fh);
    if (file === undefined) return { errno: Errno.EBADF };
    file.called();
    if (offset >= FileLimits.fileBytes) return { errno: 0, data: EMPTY };
    return this.readData(file, offset, Math.min(length, FileLimits.ioBytes));
  }

  private async readData(file: OpenFile, offset: number, length: number): Promise<Outcome<{ data: Uint8Array }>> {
    const { writes } = this.context;
    const { node } = file;
    await writes.flush(node);
    const until = this.context.freshUntil();
    const result = await this.context.performOn(file, { op: 'read', node, offset, length });
    if (!('data' in result)) return result;
    node.learn(result.attributes, until);
    // Pages of different times: good enough while the file is open, but not to be kept for the next who opens it.
    if (node.chain.isBehind(result.attributes.change) && !writes.isDirty(node)) node.chain.break();
    return result;
  }

  write(fh: number, offset: number, data: Uint8Array, flags: WriteFlags): Answer {
    const { profile, writes } = this.context;
    const file = this.openFiles.get(fh);
    if (file === undefined) return { errno: Errno.EBADF };
    file.called();
    const failed = file.takeFailure();
    if (failed !== undefined) return failed;
    if (offset + data.length > FileLimits.fileBytes) return { errno: Errno.EFBIG };
    if (!profile.writeBehind) return this.writeThrough(file, offset, Buffer.from(data), flags);
    file.node.sync.changed();
    const room = writes.write(file, file.node, offset, data, flags);
    return room === undefined ? DONE : room.then(() => DONE);
  }

  private async writeThrough(file: OpenFile, offset: number, data: Buffer, flags: WriteFlags): Promise<Outcome> {
    const { append, killPrivileges, synchronous } = flags;
    const { node, credentials } = file;
    const until = this.context.freshUntil();
    const result = await this.context.performOn(file, {
      ...{ op: 'write', node, offset, append, killPrivileges, data },
    });
    if (!('attributes' in result)) return result;
    node.learnOwn(result.attributes, until);
    node.sync.changed();
    // The kernel does so itself after writes through its page cache.
    return synchronous ? this.sync(node, credentials, node.sync.syncing()) : DONE;
  }

  async allocate(
    caller: Caller,
    fh: number,
    mode: number,
    offset: number,
    length: number,
    interrupted: AbortSignal,
  ): Promise<Outcome> {
    const file = this.openFiles.get(fh);
    if (file === undefined) return { errno: Errno.EBADF };
    return this.synced(file, await this.ranges.allocate(caller, file, mode, offset, length, interrupted));
  }

  async copy(
    caller: Caller,
    fh: number,
    offset: number,
    sourceFh: number,
    sourceOffset: number,
    length: number,
  ): Promise<Outcome<{ length: number }>> {
    const file = this.openFiles.get(fh);
    const source = this.openFiles.get(sourceFh);
    if (file === undefined || source === undefined) return { errno: Errno.EBADF };
    return this.synced(file, await this.ranges.copy(caller, file, offset, source, sourceOffset, length));
  }

  /** What a file opened for synchronous writes was changed to is synced before that is told. */
  private async synced<T>({ node, credentials, synchronous }: OpenFile, outcome: Outcome<T>): Promise<Outcome<T>> {
    if (outcome.errno !== 0 || !synchronous) return outcome;
    const { errno } = await this.sync(node, credentials, node.sync.syncing());
    return errno === 0 ? outcome : { errno };
  }

  seek(fh: number, offset: number, what: 'data' | 'hole'): Answer<{ offset: number }> {
    const file = this.openFiles.get(fh);
    if (file === undefined) return { errno: Errno.EBADF };
    return this.ranges.seek(file, offset, what, this.mayBeMapped(file.node));
  }

  private mayBeMapped(node: Node): boolean {
    for (const file of this.openFiles.values()) if (file.node === node && file.mayBeMapped) return true;
    return false;
  }

  /** @param synced to be called if it succeeds, for the changes that have been executed */
  private async sync(node: Node, credentials: Credentials, synced: () => void): Promise<Outcome> {
    const { errno } = await this.context.files.perform(credentials, { op: 'fsync', node });
    if (errno === 0) synced();
    return { errno };
  }

  flush(fh: number, lockOwner?: string): Answer {
    const file = this.openFiles.get(fh);
    if (file === undefined) return { errno: Errno.EBADF };
    const flushed = this.flushData(file);
    if (lockOwner === undefined || !this.locks.concern(file.node)) return flushed;
    return this.dropLocks(file, lockOwner, flushed);
  }

  /** What was written under a lock is with the service before the lock is dropped. */
  private async dropLocks(file: OpenFile, owner: string, flushed: Answer): Promise<Outcome> {
    const outcome = await flushed;
    const dropped = await this.locks.closes(file, owner);
    return outcome.errno === 0 ? dropped : outcome;
  }

  private flushData(file: OpenFile): Answer {
    const { files, writes } = this.context;
    const { node } = file;
    if (writes.isDirty(node)) return writes.flush(node).then(() => file.failureAtClose() ?? DONE);
    if (node.sync.unsynced && !files.heardWithin(UNNOTICED_MS)) return this.askAndFlush(file);
    return file.failureAtClose() ?? DONE;
  }

  /** Nothing is left to be sent whose answer would tell that the group has rolled back since the last one. */
  private async askAndFlush(file: OpenFile): Promise<Outcome> {
    const { node, credentials } = file;
    const { errno } = await this.context.files.perform(credentials, { op: 'getattr', node });
    return file.failureAtClose() ?? (errno === Errno.EIO ? { errno } : DONE);
  }

  async fsync(fh: number): Promise<Outcome> {
    const file = this.openFiles.get(fh);
    if (file === undefined) return { errno: Errno.EBADF };
    const { node, credentials } = file;
    const synced = node.sync.syncing();
    await this.context.writes.flush(node);
    const failed = file.failureAtSync();
    if (failed !== undefined) return failed;
    const result = await this.sync(node, credentials, synced);
    // The session may have been lost meanwhile, and this been sent in the next one.
    const lost = file.failureAtSync();
    return result.errno === 0 ? (lost ?? DONE) : result;
  }

  release(fh: number): void {
    const file = this.openFiles.get(fh);
    if (file === undefined) return;
    this.openFiles.delete(fh);
    const { node } = file;
    if (this.locks.concern(node)) {
      this.context.inBackground(this.locks.released(file).then(() => this.closed(node)));
      return;
    }
    this.closed(node);
  }

  private closed(node: Node): void {
    if (!this.context.writes.isDirty(node) || node.retained) {
      this.context.closed(node);
      return;
    }
    // Pages of a mapping were written after the last close: the node counts as open until they are, lest a new one of
    // the same inode knew nothing of them.
    this.context.inBackground(this.context.writes.flush(node).then(() => this.context.closed(node)));
  }
}

/** Whether the bits of the class that the caller is of grant all of `access`; uid 0 may do anything to a directory. */
function grants({ mode, uid, gid }: Attributes, who: Credentials, access: number): boolean {
  if (who.uid === 0) return true;
  const inGroup = who.gid === gid || who.groups.includes(gid);
  return (access & ~(mode >> (who.uid === uid ? 6 : inGroup ? 3 : 0))) === 0;
}

/** The name led elsewhere by now: the kernel walks again, and is answered by the service. */
function forgetWalk(node: Node, walked: Link | undefined): void {
  node.expire();
  if (walked === undefined) return;
  const { parent, name } = walked;
  parent.expire();
  parent.contend(name, performance.now() + CONTENTION_MS);
  if (parent.children.get(name) === node) parent.unbind(name);
}

function accessOf(flags: number): number {
  if (flags & OpenFlag.EXECUTE) return Access.EXECUTE;
  switch (flags & OpenFlag.ACCESS_MODE) {
    case OpenFlag.WRITE_ONLY:
      return Access.WRITE;
    case OpenFlag.READ_WRITE:
      return Access.READ | Access.WRITE;
    default:
      return Access.READ;
  }
}
