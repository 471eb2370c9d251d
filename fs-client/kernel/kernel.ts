/**
 * What a kernel interface (dev-fuse, fuse-native) and the file system behind it say to each other. The vocabulary is
 * that of inodes; an interface that only knows paths resolves them with `lookup`. Names are latin1 strings, one
 * character a byte, so that any bytes of a name survive.
 */
import type { Conflict, LockRequest } from '../../src/fileservice/locks.js';
import type { OperationOf } from '../../src/fileservice/operations.js';
import type { DirectoryEntry, Failure, FileSystemStatistics } from '../../src/fileservice/results.js';
import type { Attributes } from '../../src/fileservice/types.js';
import type { KernelFeatures } from '../features.js';

/** Who made a system call, as the kernel tells it. `pid` is 0 where the process is not visible to us. */
export interface Caller {
  uid: number;
  gid: number;
  pid: number;
}

/** Success with what it yields, or an errno. Nothing is thrown for what a caller did wrong. */
export type Outcome<T = unknown> = Failure | ({ errno: 0 } & T);

export const DONE = { errno: 0 } as const;

/** Attributes and for how many milliseconds from now the kernel may answer from them. */
export interface AttributesAnswer {
  attributes: Attributes;
  attributesMs: number;
}

/** A name's inode; the kernel now holds one reference more to it, until `forget`. */
export interface EntryAnswer extends AttributesAnswer {
  entryMs: number;
}

/** ENOENT may be remembered for `absentMs`. */
export interface LookupFailure extends Failure {
  absentMs?: number;
}

export interface OpenAnswer {
  fh: number;
  /** The kernel's pages of this file are still those of the service. */
  keepCache: boolean;
  /** Reads and writes bypass the page cache. */
  directIo: boolean;
  /** Close has nothing to wait for. */
  noFlush: boolean;
}

/** The lock that is in the way of another, if one is. */
export interface LockAnswer {
  conflict?: Conflict;
}

/** What a setattr changes. */
export type AttributeChanges = Omit<OperationOf<'setattr'>, 'op' | 'node'>;

export interface WriteFlags {
  append: boolean;
  /** O_DSYNC or O_SYNC. */
  synchronous: boolean;
  killPrivileges: boolean;
}

/** Entries from `cookie` on are `entries` from `first` on. */
export interface DirectoryWindow {
  entries: readonly DirectoryEntry[];
  first: number;
}

export type Answer<T = unknown> = Outcome<T> | Promise<Outcome<T>>;
export type LookupAnswer = LookupFailure | ({ errno: 0 } & EntryAnswer);

/** Every method may be called again while others have not answered; none of them throws or rejects. */
export interface FileSystem {
  /** The mount is up: caches of the kernel can be invalidated from now on. */
  attached(notifier: Notifier): void;

  lookup(caller: Caller, parent: number, name: string): LookupAnswer | Promise<LookupAnswer>;
  /** The kernel drops `count` references to the inode. */
  forget(ino: number, count: number): void;
  getattr(caller: Caller, ino: number): Answer<AttributesAnswer>;
  /** Whether all of `access` (R_OK 4, W_OK 2, X_OK 1) is granted; asked for if the kernel does not know permissions. */
  access(caller: Caller, ino: number, access: number): Answer;
  /** `fh` where the change is made through an open file: then that file's rights count. */
  setattr(caller: Caller, ino: number, fh: number | undefined, changes: AttributeChanges): Answer<AttributesAnswer>;
  readlink(caller: Caller, ino: number): Answer<{ target: Uint8Array }>;
  /** Values under names, beside the data; the name is that of getxattr(2). `room` 0: only its length is asked for. */
  getXattr(caller: Caller, ino: number, name: string, room: number): Answer<{ value: Uint8Array }>;
  listXattrs(caller: Caller, ino: number): Answer<{ names: readonly Uint8Array[] }>;
  /** `value` is valid during the call only; `flags` are those of setxattr(2). */
  setXattr(caller: Caller, ino: number, name: string, value: Uint8Array, flags: number): Answer;
  removeXattr(caller: Caller, ino: number, name: string): Answer;
  symlink(caller: Caller, parent: number, name: string, target: string): Answer<EntryAnswer>;
  /** `umask`, here and below: what the mode loses where no default ACL says otherwise; 0 if it has been applied. */
  mknod(caller: Caller, parent: number, name: string, mode: number, rdev: number, umask?: number): Answer<EntryAnswer>;
  mkdir(caller: Caller, parent: number, name: string, mode: number, umask?: number): Answer<EntryAnswer>;
  unlink(caller: Caller, parent: number, name: string): Answer;
  rmdir(caller: Caller, parent: number, name: string): Answer;
  rename(caller: Caller, parent: number, name: string, newParent: number, newName: string, flags: number): Answer;
  link(caller: Caller, ino: number, parent: number, name: string): Answer<EntryAnswer>;

  /** `flags` are those of open(2). */
  open(caller: Caller, ino: number, flags: number): Answer<OpenAnswer>;
  create(
    caller: Caller,
    parent: number,
    name: string,
    mode: number,
    flags: number,
    umask?: number,
  ): Answer<EntryAnswer & { open: OpenAnswer }>;
  read(fh: number, offset: number, length: number): Answer<{ data: Uint8Array }>;
  /** `data` is valid during the call only. All of it is written, or an errno says that none was. */
  write(fh: number, offset: number, data: Uint8Array, flags: WriteFlags): Answer;
  /** fallocate(2), `mode` as there. @param interrupted the caller got a signal: what is done by then stays done */
  allocate(caller: Caller, fh: number, mode: number, offset: number, length: number, interrupted: AbortSignal): Answer;
  /** SEEK_DATA or SEEK_HOLE, from `offset` on. */
  seek(fh: number, offset: number, what: 'data' | 'hole'): Answer<{ offset: number }>;
  /** copy_file_range(2) from `sourceFh`, which may be `fh`. `length`: the bytes copied. */
  copy(
    caller: Caller,
    fh: number,
    offset: number,
    sourceFh: number,
    sourceOffset: number,
    length: number,
  ): Answer<{ length: number }>;
  /** One descriptor of the open file is being closed, by that owner of locks if they are told apart. */
  flush(fh: number, lockOwner?: string): Answer;
  fsync(fh: number): Answer;
  /** The last descriptor is gone. */
  release(fh: number): void;
  testLock(fh: number, lock: LockRequest): Answer<LockAnswer>;
  /** @param wait ends the wait for a lock that is held; undefined: it is EAGAIN at once */
  setLock(fh: number, lock: LockRequest, wait: AbortSignal | undefined): Answer;

  opendir(caller: Caller, ino: number): Answer<{ fh: number }>;
  readdir(fh: number, cookie: number): Answer<DirectoryWindow>;
  /** The kernel takes an entry of that listing over together with its inode; undefined for `.` and `..`. */
  adopt(fh: number, entry: DirectoryEntry): EntryAnswer | undefined;
  fsyncdir(fh: number): Answer;
  releasedir(fh: number): void;
  statfs(): Answer<{ statistics: FileSystemStatistics }>;
}

/**
 * Tells the kernel that something it remembers is no longer so. Requests that hold the same inode may have to be
 * answered before a notification completes: never hold an answer until `invalidateData` or `invalidateEntry` is done,
 * unless its request holds nothing, as those for locks.
 */
export interface Notifier {
  /** Attributes only: takes no lock that a request could hold, so an answer may wait for it. */
  invalidateAttributes(ino: number): Promise<void>;
  invalidateData(ino: number): Promise<void>;
  /**
   * Pages that mappings have written to are sent, then all are dropped. Waits for requests that read or write pages, and
   * for nothing else: the answer to one that does neither may wait for it.
   */
  launderData(ino: number): Promise<void>;
  invalidateEntry(parent: number, name: string): void;
  /** All names, absent ones too. False: this kernel cannot be told (before Linux 6.16); they expire in their own time. */
  invalidateEntries(): boolean;
}

/** The ways in which the kernel can be spoken to. */
export type KernelName = 'dev-fuse' | 'fuse-native';

export interface KernelOptions {
  mountpoint: string;
  /** The source column of /proc/mounts. */
  name: string;
  readOnly: boolean;
  /** Users other than the one who mounts may use the mount. */
  allowOther: boolean;
  features: KernelFeatures;
  /** The kernel checks permissions too, by mode, owner and caller; otherwise only the file system does. */
  kernelPermissions: boolean;
  /** Further options of mount(8). */
  flags: readonly string[];
}

/** Counts since the mount began. */
export interface KernelCounters {
  /** By the kernel's name for them: LOOKUP, READ … */
  requests: Record<string, number>;
  /** Of these, those that were answered at once, from memory; where that is known. */
  fromMemory: Record<string, number>;
  notifications: number;
  droppedNotifications: number;
}

export interface KernelMount {
  /** How requests reach us: named in the log. */
  readonly reader: string;
  /** Why no more requests will come; resolves once. */
  readonly ended: Promise<string>;
  counters(): KernelCounters;
  /** @throws an Error whose message is one line, for instance because the mount is busy. */
  unmount(): Promise<void>;
}
