/**
 * The logical rows of the state and their digests. A row's digest covers its table, key and value in canonical bytes,
 * never SQLite's pages, so that replicas with other layouts, or another engine, have the same root.
 */
import { hash } from 'node:crypto';
import { ByteWriter } from '../../src/bytes.js';
import { writeTime } from '../../src/fileservice/operations.js';
import type { Time } from '../../src/fileservice/types.js';
import type { Digest, SessionId, Timestamp } from '../../src/pbft/messages.js';
import type { SessionRow, SlotRow } from '../../src/pbft/ports.js';

/** Number of each table in the digests of its rows: part of the format. */
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
} as const;

/**
 * Clock and counters, all that execution can observe beside the tables. `lastExecuted` travels with them but is not
 * in the digest: no operation sees it, and a checkpoint message binds it to the digest anyway.
 */
export interface HeaderRow {
  lastExecuted: number;
  clock: Timestamp;
  /** Inode numbers are handed out in order and never again. */
  nextIno: number;
  /** Sum of `allocated` over all inodes. */
  usedBytes: number;
  usedInodes: number;
}

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
  /** Bytes of space taken by its blocks: see `blockCharge`. */
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
  ino: number;
  position: number;
  data: Buffer;
  /** Kept once computed: hashing a block costs 20 µs. */
  digest: Digest | undefined;
}

/** Target of a symbolic link. */
export interface TargetRow {
  ino: number;
  path: Buffer;
}

/** An inode without names that a session still holds open. */
export interface OrphanRow {
  session: SessionId;
  ino: number;
}

export interface SlotEntry {
  session: SessionId;
  row: SlotRow;
}

export interface EndedInstanceRow {
  client: number;
  instance: number;
}

const sha256 = (bytes: Uint8Array): Digest => hash('sha256', bytes, 'buffer');

export const headerDigest = (version: number, cluster: Uint8Array, row: HeaderRow): Digest => {
  const w = new ByteWriter(96).u8(Table.Header).u32(version).bytes(cluster);
  writeTime(w, row.clock);
  return sha256(w.u64(row.nextIno).u64(row.usedBytes).u64(row.usedInodes).finish());
};

export const inodeDigest = (row: InodeRow): Digest => {
  const w = new ByteWriter(160).u8(Table.Inode).u64(row.ino).u32(row.generation).u32(row.mode).u32(row.nlink);
  w.u32(row.uid).u32(row.gid).u32(row.rdev).u64(row.size).u64(row.allocated);
  writeTime(w, row.atime);
  writeTime(w, row.mtime);
  writeTime(w, row.ctime);
  return sha256(w.u64(row.change).u64(row.parent).u64(row.entries).u64(row.nextCookie).finish());
};

export const dentryDigest = (row: DentryRow): Digest =>
  sha256(new ByteWriter(64).u8(Table.Dentry).u64(row.parent).bytes(row.name).u64(row.child).u64(row.cookie).finish());

/** Data enters by its own digest: that spares a copy behind the key. */
export const blockDigest = (row: BlockRow): Digest => {
  row.digest ??= sha256(
    new ByteWriter(64).u8(Table.Block).u64(row.ino).u64(row.position).raw(sha256(row.data)).finish(),
  );
  return row.digest;
};

export const targetDigest = (row: TargetRow): Digest =>
  sha256(new ByteWriter(128).u8(Table.Target).u64(row.ino).bytes(row.path).finish());

const keyed = (table: number, session: SessionId): ByteWriter =>
  new ByteWriter(128).u8(table).u32(session.client).u64(session.instance);

export const orphanDigest = (row: OrphanRow): Digest => sha256(keyed(Table.Orphan, row.session).u64(row.ino).finish());

export const sessionDigest = (row: SessionRow): Digest => {
  const w = keyed(Table.Session, row.session).u32(row.slots);
  writeTime(w, row.opened);
  return sha256(w.finish());
};

export const slotDigest = ({ session, row }: SlotEntry): Digest => {
  const w = keyed(Table.Slot, session).u32(row.slot).u64(row.sequence).bytes(row.requestDigest).u32(row.status);
  w.bool(row.result !== undefined);
  if (row.result !== undefined) w.bytes(row.result);
  return sha256(w.finish());
};

export const endedInstanceDigest = (row: EndedInstanceRow): Digest =>
  sha256(new ByteWriter(16).u8(Table.EndedInstance).u32(row.client).u64(row.instance).finish());
