/** The values that file operations and their results are made of. */

/** A point in time; nanoseconds in 0 … 999,999,999. Two integers, because 2^53 ns is only 104 days. */
export interface Time {
  seconds: number;
  nanoseconds: number;
}

/** A file as clients name it: an inode number is never reused without a new generation (NFS file handle). */
export interface Handle {
  ino: number;
  generation: number;
}

/** On whose behalf a call is made; replicas check it against what the client key may assert. */
export interface Credentials {
  uid: number;
  gid: number;
  /** Supplementary groups, without order. */
  groups: readonly number[];
}

export const isInGroup = (who: Credentials, gid: number): boolean => who.gid === gid || who.groups.includes(gid);

/** What stat(2) shows, with the generation and NFSv4's change attribute (RFC 8881 §5.8.1.4). */
export interface Attributes extends Handle {
  /** File type and permission bits, as st_mode. */
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  /** Bytes. */
  size: number;
  /** Allocated space in units of 512 bytes. */
  blocks: number;
  atime: Time;
  mtime: Time;
  ctime: Time;
  /** Rises with every change of the file's data or attributes. */
  change: number;
  /** Whether it has extended attributes, among which are its access control lists. */
  hasXattrs: boolean;
}

export const ROOT_INO = 1;
export const ROOT_HANDLE: Handle = { ino: ROOT_INO, generation: 1 };

export const FileType = {
  MASK: 0o170000,
  FIFO: 0o010000,
  CHARACTER: 0o020000,
  DIRECTORY: 0o040000,
  BLOCK: 0o060000,
  REGULAR: 0o100000,
  SYMLINK: 0o120000,
  SOCKET: 0o140000,
} as const;

export const isDirectory = (mode: number): boolean => (mode & FileType.MASK) === FileType.DIRECTORY;
export const isRegular = (mode: number): boolean => (mode & FileType.MASK) === FileType.REGULAR;
export const isSymlink = (mode: number): boolean => (mode & FileType.MASK) === FileType.SYMLINK;

/**
 * A session that has not renewed its lease for so long may lose its locks and nameless files, as in NFS (RFC 8881 §8.3):
 * to be renewed three times in that. Agreed seconds of time in which the service gets on.
 */
export const LEASE_SECONDS = 30;
export const RENEWAL_SECONDS = 10;

/** Limits that both sides know. Bytes unless said otherwise. */
export const FileLimits = {
  /** One path component (NAME_MAX). */
  nameBytes: 255,
  /** A symbolic link's target (PATH_MAX - 1). */
  targetBytes: 4095,
  /** Data of one READ, WRITE or COPY. */
  ioBytes: 1024 * 1024,
  /** Blocks that one ALLOCATE makes, empties or removes: some 8 ms at each replica, as 2 MiB of WRITE. */
  allocateBlocks: 128,
  /** Largest file: 2^44, so that block arithmetic stays far below 2^53. */
  fileBytes: 2 ** 44,
  /** Entries' encoded bytes in one READDIR result. */
  readdirBytes: 128 * 1024,
  /** Hard links of one inode (as ext4). */
  links: 65_000,
  supplementaryGroups: 64,
  /** Name of an extended attribute, its namespace included (XATTR_NAME_MAX). */
  xattrNameBytes: 255,
  /** Its value (XATTR_SIZE_MAX) … */
  xattrBytes: 64 * 1024,
  /** … and that of an access control list: the kernel makes room for a page. */
  aclBytes: 4096,
  /** All of one inode's, as they are charged. */
  xattrsBytes: 76 * 1024,
  /** Their names, each with a zero byte, as listxattr(2) gives them at most (XATTR_LIST_MAX). */
  xattrNamesBytes: 64 * 1024,
  /** Ranges of one inode that are locked at a time. */
  locksPerFile: 512,
  /** Inodes named in one RENEW, or its result. */
  inosInRenewal: 1024,
} as const;
