/** Numbers of the FUSE kernel protocol, version 7 (include/uapi/linux/fuse.h). All fields are little-endian here. */

export const FUSE_MAJOR = 7;
/** The newest minor version whose layouts are spoken here. */
export const FUSE_MINOR = 40;
/** Minor 23 fixed the layout of the INIT reply; Linux 4.20 (7.28) brought max_pages. Older kernels are refused. */
export const FUSE_OLDEST_MINOR = 28;

export const Opcode = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  SETXATTR: 21,
  GETXATTR: 22,
  LISTXATTR: 23,
  REMOVEXATTR: 24,
  FLUSH: 25,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  GETLK: 31,
  SETLK: 32,
  SETLKW: 33,
  ACCESS: 34,
  CREATE: 35,
  INTERRUPT: 36,
  BMAP: 37,
  DESTROY: 38,
  IOCTL: 39,
  POLL: 40,
  NOTIFY_REPLY: 41,
  BATCH_FORGET: 42,
  FALLOCATE: 43,
  READDIRPLUS: 44,
  RENAME2: 45,
  LSEEK: 46,
  COPY_FILE_RANGE: 47,
  SYNCFS: 50,
  TMPFILE: 51,
  STATX: 52,
} as const;

const opcodeNames = new Map<number, string>(Object.entries(Opcode).map(([name, value]) => [value, name]));
export const opcodeName = (opcode: number): string => opcodeNames.get(opcode) ?? `opcode ${opcode}`;

/** Flags of INIT, low word; those of the high word have `2` in their names. */
export const InitFlag = {
  ASYNC_READ: 1 << 0,
  POSIX_LOCKS: 1 << 1,
  BIG_WRITES: 1 << 5,
  DONT_MASK: 1 << 6,
  FLOCK_LOCKS: 1 << 10,
  DO_READDIRPLUS: 1 << 13,
  READDIRPLUS_AUTO: 1 << 14,
  ASYNC_DIO: 1 << 15,
  PARALLEL_DIROPS: 1 << 18,
  POSIX_ACL: 1 << 20,
  ABORT_ERROR: 1 << 21,
  MAX_PAGES: 1 << 22,
  CACHE_SYMLINKS: 1 << 23,
  HANDLE_KILLPRIV_V2: 1 << 28,
  INIT_EXT: 1 << 30,
} as const;

export const InitFlag2 = {
  /** Shared mappings of files opened with FOPEN_DIRECT_IO (7.39). */
  DIRECT_IO_ALLOW_MMAP: 1 << 4,
} as const;

export const SetattrValid = {
  MODE: 1 << 0,
  UID: 1 << 1,
  GID: 1 << 2,
  SIZE: 1 << 3,
  ATIME: 1 << 4,
  MTIME: 1 << 5,
  FH: 1 << 6,
  ATIME_NOW: 1 << 7,
  MTIME_NOW: 1 << 8,
  KILL_SUIDGID: 1 << 11,
} as const;

export const OpenReplyFlag = { DIRECT_IO: 1 << 0, KEEP_CACHE: 1 << 1, NOFLUSH: 1 << 5 } as const;

/** Types of locks (asm-generic/fcntl.h). */
export const LockType = { READ: 0, WRITE: 1, UNLOCK: 2 } as const;
/** A flock, not an fcntl lock. */
export const LK_FLOCK = 1 << 0;

/** `whence` of lseek(2). */
export const Whence = { DATA: 3, HOLE: 4 } as const;

export const WRITE_KILL_SUIDGID = 1 << 2;

export const Notification = { INVAL_INODE: 2, INVAL_ENTRY: 3, INC_EPOCH: 8 } as const;

/** Sizes of structures, bytes. */
export const Size = {
  IN_HEADER: 40,
  OUT_HEADER: 16,
  ATTR: 88,
  /** fuse_entry_out without its attributes. */
  ENTRY_HEAD: 40,
  ENTRY_OUT: 128,
  ATTR_OUT: 104,
  OPEN_OUT: 16,
  INIT_OUT: 64,
  STATFS_OUT: 80,
  WRITE_IN: 40,
  GETXATTR_IN: 8,
  /** Without what SETXATTR_EXT adds, which is not asked for. */
  SETXATTR_IN: 8,
  DIRENT_HEAD: 24,
} as const;

export const MAX_WRITE_BYTES = 1024 * 1024;
export const PAGE_BYTES = 4096;
/** The kernel refuses to read into less than a header, fuse_write_in and max_write bytes. */
export const READ_BUFFER_BYTES = MAX_WRITE_BYTES + PAGE_BYTES;
