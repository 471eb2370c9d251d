/** The file system of one mount: kernel calls in, calls of the replicated service out, with what may be remembered. */
import type { Logger } from 'pino';
import type { FileSystemStatistics } from '../src/fileservice/results.js';
import type { Profile } from './cache/profile.js';
import { Directories } from './directories.js';
import { FileIo } from './file-io.js';
import type { Files } from './files.js';
import type { Answer, Caller, FileSystem, Notifier, Outcome } from './kernel/kernel.js';
import { Lease } from './lease.js';
import { Locks } from './locks.js';
import { MountContext, type Scope } from './mount-context.js';
import { Namespace } from './namespace.js';
import { Xattrs } from './xattrs.js';

/** statfs(2) is answered from the last reply, which is renewed behind it when it is this old. */
const STATISTICS_MS = 1000;

/** Inodes named in one line of the log. */
const LOGGED_INODES = 32;

type StatisticsOutcome = Outcome<{ statistics: FileSystemStatistics }>;

export class ReplicatedFileSystem implements FileSystem {
  private readonly context: MountContext;
  private readonly namespace: Namespace;
  private readonly io: FileIo;
  private readonly lease: Lease;
  private readonly locks: Locks;
  private readonly directories: Directories;
  private readonly xattrs: Xattrs;
  private statistics: FileSystemStatistics | undefined;
  private statisticsUntil = 0;
  private renewing: Promise<StatisticsOutcome> | undefined;

  constructor(
    private readonly files: Files,
    profile: Profile,
    private readonly log: Logger,
    scope: Scope = {},
  ) {
    this.context = new MountContext(files, profile, log, scope);
    this.namespace = new Namespace(this.context);
    this.locks = new Locks(this.context);
    this.io = new FileIo(this.context, this.namespace, this.locks);
    this.lease = new Lease(this.context, log, () => this.locks.lapse());
    this.directories = new Directories(this.context);
    this.xattrs = new Xattrs(this.context);
  }

  attached(notifier: Notifier): void {
    this.context.notifier = notifier;
    // For statfs to have an answer even if there is no quorum when it is first asked.
    void this.renewStatistics();
    this.lease.start();
  }

  /**
   * The service ended the session, or rolled back and so has lost it: what was not synced may be undone, and what was
   * remembered is of the past. To be called before any answer from after that is heard, and after all from before.
   */
  sessionLost(): void {
    const unsynced = this.context.sessionLost();
    this.directories.sessionLost();
    this.locks.lapse();
    this.lease.sessionLost();
    this.statisticsUntil = 0;
    if (unsynced.length === 0) this.log.warn('the session is lost; no open file had unsynced changes');
    else {
      const inos = unsynced.slice(0, LOGGED_INODES);
      this.log.error(
        { files: unsynced.length, inos },
        'the session is lost: unsynced changes of open files may be too',
      );
    }
  }

  /** Resolves when everything answered has been executed by the service, as far as it could be. */
  quiesce(): Promise<void> {
    return this.context.quiesce();
  }

  /** As `quiesce`, when no more calls will come. What fails now nobody can be told of. */
  async end(): Promise<void> {
    this.lease.stop();
    this.context.ended = true;
    await this.context.quiesce();
  }

  /** Files with changes that the service has not executed, or, at the end, not taken. */
  get unsent(): number {
    return this.context.unsent;
  }

  statfs(): Answer<{ statistics: FileSystemStatistics }> {
    const { statistics } = this;
    if (statistics !== undefined && this.statisticsUntil > performance.now()) return { errno: 0, statistics };
    const renewed = this.renewStatistics();
    return statistics === undefined ? renewed : { errno: 0, statistics };
  }

  /** One call at a time: without a quorum it lasts, and there are programs that ask every second. */
  private renewStatistics(): Promise<StatisticsOutcome> {
    this.renewing ??= this.askStatistics().finally(() => {
      this.renewing = undefined;
    });
    return this.renewing;
  }

  private async askStatistics(): Promise<StatisticsOutcome> {
    const result = await this.files.perform(this.context.credentials.own, { op: 'statfs' });
    if (!('statistics' in result)) return result;
    this.statistics = result.statistics;
    this.statisticsUntil = performance.now() + STATISTICS_MS;
    return result;
  }

  forget(ino: number, count: number): void {
    this.context.nodes.forget(ino, count);
  }

  lookup = (caller: Caller, parent: number, name: string) => this.namespace.lookup(caller, parent, name);
  unlink = (caller: Caller, parent: number, name: string) => this.namespace.unlink(caller, parent, name);
  rmdir = (caller: Caller, parent: number, name: string) => this.namespace.rmdir(caller, parent, name);
  link = (caller: Caller, ino: number, parent: number, name: string) => this.namespace.link(caller, ino, parent, name);
  mkdir: FileSystem['mkdir'] = (caller, parent, name, mode, umask) =>
    this.namespace.makeEntry(caller, parent, name, { op: 'mkdir', mode, umask });
  mknod: FileSystem['mknod'] = (caller, parent, name, mode, rdev, umask) =>
    this.namespace.makeEntry(caller, parent, name, { op: 'mknod', mode, rdev, umask });
  symlink = (caller: Caller, parent: number, name: string, target: string) =>
    this.namespace.makeEntry(caller, parent, name, { op: 'symlink', target: Buffer.from(target, 'latin1') });
  rename: FileSystem['rename'] = (caller, parent, name, newParent, newName, flags) =>
    this.namespace.rename(caller, parent, name, newParent, newName, flags);
  getXattr: FileSystem['getXattr'] = (caller, ino, name, room) => this.xattrs.get(caller, ino, name, room);
  listXattrs: FileSystem['listXattrs'] = (caller, ino) => this.xattrs.list(caller, ino);
  setXattr: FileSystem['setXattr'] = (caller, ino, name, value, flags) =>
    this.xattrs.set(caller, ino, name, value, flags);
  removeXattr: FileSystem['removeXattr'] = (caller, ino, name) => this.xattrs.remove(caller, ino, name);
  readlink = (caller: Caller, ino: number) => this.namespace.readlink(caller, ino);

  access = (caller: Caller, ino: number, access: number) => this.io.access(caller, ino, access);
  getattr = (caller: Caller, ino: number) => this.io.getattr(caller, ino);
  setattr: FileSystem['setattr'] = (caller, ino, fh, changes) => this.io.setattr(caller, ino, fh, changes);
  open = (caller: Caller, ino: number, flags: number) => this.io.open(caller, ino, flags);
  create: FileSystem['create'] = (caller, parent, name, mode, flags, umask) =>
    this.io.create(caller, parent, name, mode, flags, umask);
  read = (fh: number, offset: number, length: number) => this.io.read(fh, offset, length);
  write: FileSystem['write'] = (fh, offset, data, flags) => this.io.write(fh, offset, data, flags);
  allocate: FileSystem['allocate'] = (caller, fh, mode, offset, length, interrupted) =>
    this.io.allocate(caller, fh, mode, offset, length, interrupted);
  seek: FileSystem['seek'] = (fh, offset, what) => this.io.seek(fh, offset, what);
  copy: FileSystem['copy'] = (caller, fh, offset, sourceFh, sourceOffset, length) =>
    this.io.copy(caller, fh, offset, sourceFh, sourceOffset, length);
  flush = (fh: number, lockOwner?: string) => this.io.flush(fh, lockOwner);
  fsync = (fh: number) => this.io.fsync(fh);
  release = (fh: number) => this.io.release(fh);
  testLock: FileSystem['testLock'] = (fh, lock) => this.io.testLock(fh, lock);
  setLock: FileSystem['setLock'] = (fh, lock, wait) => this.io.setLock(fh, lock, wait);

  opendir = (caller: Caller, ino: number) => this.directories.opendir(caller, ino);
  readdir = (fh: number, cookie: number) => this.directories.readdir(fh, cookie);
  adopt: FileSystem['adopt'] = (fh, entry) => this.directories.adopt(fh, entry);
  fsyncdir = (fh: number) => this.directories.fsyncdir(fh);
  releasedir = (fh: number) => this.directories.releasedir(fh);
}
