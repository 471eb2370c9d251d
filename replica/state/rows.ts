/** The logical rows of the state: all that execution can observe. */
import type { RegisteredClient } from '../../src/fileservice/clients.js';
import type { Time } from '../../src/fileservice/types.js';
import type { SessionId, Timestamp } from '../../src/pbft/messages.js';
import type { SlotRow } from '../../src/pbft/ports.js';
import type { HeldLock } from './lock-ranges.js';

/** Number of each table in the keys and bytes of its rows: part of the format. */
export const Table = {
  Header: 0,
  Inode: 1,
  Dentry: 2,
  Block: 3,
  Target: 4,
  Orphan: 5,
  Session: 6,
  Slot: 7,
  EndedInstance: 8,
  Record: 9,
  Xattr: 10,
  Lock: 11,
  Lease: 12,
  Discarded: 13,
  Client: 14,
} as const;

/**
 * Clock and counters, all that execution can observe beside the tables. `lastExecuted` travels with them but is not
 * in the digest: no operation sees it, and a checkpoint message binds it to the digest anyway.
 */
export interface HeaderRow {
  lastExecuted: number;
  clock: Timestamp;
  /** Numbers of inodes, and of forks, are handed out in order and never again. */
  nextIno: number;
  /** Sum of `allocated` and `xattrBytes` over all inodes. */
  usedBytes: number;
  usedInodes: number;
  /** Of blocks that no file has any more, and that are still to be removed. */
  discardedBytes: number;
  /** Changes made to the table of clients. */
  clientsVersion: number;
}

/** Never removed: a number stands for one key for ever. */
export type ClientRow = RegisteredClient;

/** Rows are values: a change makes a new one, so that a before-image may be kept by reference. */
export interface InodeRow {
  ino: number;
  generation: number;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  size: number;
  /** Bytes of space taken by its blocks: see operations/file-space.ts. */
  allocated: number;
  atime: Time;
  mtime: Time;
  ctime: Time;
  change: number;
  /** Of a directory, otherwise 0: the directory it is in (the root is in itself) … */
  parent: number;
  /** … its entries without `.` and `..` … */
  entries: number;
  /** … and the cookie of its next new entry. */
  nextCookie: number;
  /** Bytes that its extended attributes are charged for: see `xattrCharge`. 0: there are none. */
  xattrBytes: number;
  /** Of a file: space is reserved up to here, bytes, where that is beyond its end. See `spaceEnd`. */
  reserved: number;
  /** Under which its blocks are kept: its own number, until it has many and is cut to nothing. */
  fork: number;
  /** One more than the number of the client whose quota it counts towards; 0: of none. */
  payer: number;
}

export interface DentryRow {
  parent: number;
  name: Buffer;
  child: number;
  /** Position in READDIR: rises with each new entry of the directory. */
  cookie: number;
}

/** One block of a file. Absent: a hole. `data` ends at the block's last non-zero byte, and may be empty. */
export interface BlockRow {
  fork: number;
  position: number;
  data: Buffer;
}

/** Blocks of a file that was removed or cut to nothing, while there are any left. */
export interface DiscardedRow {
  fork: number;
  /** What those left were charged for. */
  bytes: number;
}

/** Target of a symbolic link. */
export interface TargetRow {
  ino: number;
  path: Buffer;
}

/** An extended attribute; its name has a character a byte. */
export interface XattrRow {
  ino: number;
  name: string;
  value: Buffer;
}

/** An inode without names that is kept for a session. */
export interface OrphanRow {
  session: SessionId;
  ino: number;
  /** The session has said that it has it open; otherwise it is yet to be asked. */
  claimed: boolean;
}

/** The locks on one file, at least one, in the order of lock-ranges.ts. */
export interface LockRow {
  ino: number;
  locks: readonly HeldLock[];
}

/** What a session holds is kept for LEASE_SECONDS from when it last said that it lives. */
export interface LeaseRow {
  session: SessionId;
  /** Agreed time, seconds. */
  renewed: number;
  /** The session knows of it: else it may think that an earlier one, which has run out, goes on. */
  announced: boolean;
}

export interface SlotEntry {
  session: SessionId;
  row: SlotRow;
}

export interface EndedInstanceRow {
  client: number;
  instance: number;
}

/** What a service keeps that is not the file service: bytes under a key of its own choice. */
export interface RecordRow {
  key: Buffer;
  value: Buffer;
}
