/**
 * Rows in canonical bytes: table, key and value, never SQLite's pages, so that replicas with other layouts, or another
 * engine, have the same root. They are what is hashed, kept of a checkpoint, and sent to a replica that lacks the row.
 * Decoders throw `MalformedBytes`.
 */
import { ByteReader, ByteWriter, MalformedBytes } from '../../src/bytes.js';
import { sha256Text } from '../../src/crypto/digests.js';
import { readClient, writeClient } from '../../src/fileservice/clients.js';
import { readTime, writeTime } from '../../src/fileservice/fields.js';
import {
  readHeldType,
  readKind,
  readOwner,
  readRange,
  writeKind,
  writeOwner,
  writeRange,
  writeType,
} from '../../src/fileservice/locks.js';
import { FileLimits } from '../../src/fileservice/types.js';
import { Limits } from '../../src/limits.js';
import type { Octets } from '../../src/merkle/index.js';
import type { SessionId } from '../../src/pbft/messages.js';
import type { SessionRow } from '../../src/pbft/ports.js';
import type { HeldLock } from './lock-ranges.js';
import {
  type BlockRow,
  type ClientRow,
  type DentryRow,
  type DiscardedRow,
  type EndedInstanceRow,
  type HeaderRow,
  type InodeRow,
  type LeaseRow,
  type LockRow,
  type OrphanRow,
  type RecordRow,
  type SlotEntry,
  Table,
  type TargetRow,
  type XattrRow,
} from './rows.js';

/** Bytes of a file in one row. */
export const BLOCK_BYTES = 32 * 1024;
/** Table, fork and position, before the data. */
const BLOCK_HEADER_BYTES = 17;
/** Of a record: no more is kept of a service that is not the file service in one row. */
export const RECORD_KEY_BYTES = 256;
export const RECORD_VALUE_BYTES = 4096;
/** Table, inode, and the lengths of name and value, before these. */
const XATTR_HEADER_BYTES = 17;
export const BLOCK_ROW_BYTES = BLOCK_HEADER_BYTES + BLOCK_BYTES;
export const LARGEST_ROW_BYTES = Math.max(
  BLOCK_ROW_BYTES,
  XATTR_HEADER_BYTES + FileLimits.xattrNameBytes + FileLimits.xattrBytes,
);
const DIGEST_BYTES = 32;

const blockDigestInput = Buffer.alloc(BLOCK_HEADER_BYTES + DIGEST_BYTES);

/** Digest of a row's bytes. The data of a block enters by its own, which spares a copy behind the key. */
export function rowDigest(content: Buffer): Octets {
  if (content[0] !== Table.Block) return sha256Text(content);
  content.copy(blockDigestInput, 0, 0, BLOCK_HEADER_BYTES);
  return digestOfBlock(content.subarray(BLOCK_HEADER_BYTES));
}

function digestOfBlock(data: Buffer): Octets {
  blockDigestInput.write(sha256Text(data), BLOCK_HEADER_BYTES, 'latin1');
  return sha256Text(blockDigestInput);
}

/** `rowDigest(encodeBlock(row))`, without the copy. */
export function blockDigest({ fork, position, data }: BlockRow): Octets {
  blockDigestInput.set(new ByteWriter(BLOCK_HEADER_BYTES).u8(Table.Block).u64(fork).u64(position).finish());
  return digestOfBlock(data);
}

function reader(content: Uint8Array, table: number): ByteReader {
  const r = new ByteReader(content);
  const found = r.u8();
  if (found !== table) throw new MalformedBytes(`a row of table ${found} where one of ${table} belongs`);
  return r;
}

function ended<Row>(r: ByteReader, row: Row): Row {
  r.end();
  return row;
}

/** @param version of the state's semantics */
export const encodeHeader = (version: number, cluster: Uint8Array, row: HeaderRow): Buffer => {
  const w = new ByteWriter(104).u8(Table.Header).u32(version).bytes(cluster);
  writeTime(w, row.clock);
  w.u64(row.nextIno).u64(row.usedBytes).u64(row.usedInodes).u64(row.discardedBytes);
  return w.u64(row.clientsVersion).finish();
};

/** @param lastExecuted which the bytes do not have */
export function decodeHeader(
  content: Uint8Array,
  version: number,
  cluster: Uint8Array,
  lastExecuted: number,
): HeaderRow {
  const r = reader(content, Table.Header);
  if (r.u32() !== version) throw new MalformedBytes('the header of another version');
  if (Buffer.compare(r.bytes(cluster.length), cluster) !== 0) throw new MalformedBytes('the header of another cluster');
  const row = { lastExecuted, clock: readTime(r), nextIno: r.u64(), usedBytes: r.u64() };
  return ended(r, { ...row, usedInodes: r.u64(), discardedBytes: r.u64(), clientsVersion: r.u64() });
}

export const encodeInode = (row: InodeRow): Buffer => {
  const w = new ByteWriter(160).u8(Table.Inode).u64(row.ino).u32(row.generation).u32(row.mode).u32(row.nlink);
  w.u32(row.uid).u32(row.gid).u32(row.rdev).u64(row.size).u64(row.allocated);
  writeTime(w, row.atime);
  writeTime(w, row.mtime);
  writeTime(w, row.ctime);
  return w
    .u64(row.change)
    .u64(row.parent)
    .u64(row.entries)
    .u64(row.nextCookie)
    .u32(row.xattrBytes)
    .u64(row.reserved)
    .u64(row.fork)
    .u32(row.payer)
    .finish();
};

export function decodeInode(content: Uint8Array): InodeRow {
  const r = reader(content, Table.Inode);
  return ended(r, {
    ino: r.u64(),
    generation: r.u32(),
    mode: r.u32(),
    nlink: r.u32(),
    uid: r.u32(),
    gid: r.u32(),
    rdev: r.u32(),
    size: r.u64(),
    allocated: r.u64(),
    atime: readTime(r),
    mtime: readTime(r),
    ctime: readTime(r),
    change: r.u64(),
    parent: r.u64(),
    entries: r.u64(),
    nextCookie: r.u64(),
    xattrBytes: r.u32(),
    reserved: r.u64(),
    fork: r.u64(),
    payer: r.u32(),
  });
}

export const encodeDentry = (row: DentryRow): Buffer =>
  new ByteWriter(64).u8(Table.Dentry).u64(row.parent).bytes(row.name).u64(row.child).u64(row.cookie).finish();

export function decodeDentry(content: Uint8Array): DentryRow {
  const r = reader(content, Table.Dentry);
  const parent = r.u64();
  const name = Buffer.from(r.bytes(FileLimits.nameBytes));
  return ended(r, { parent, name, child: r.u64(), cookie: r.u64() });
}

export const encodeBlock = ({ fork, position, data }: BlockRow): Buffer =>
  new ByteWriter(BLOCK_HEADER_BYTES + data.length).u8(Table.Block).u64(fork).u64(position).raw(data).finish();

export function decodeBlock(content: Uint8Array): BlockRow {
  const r = reader(content, Table.Block);
  const key = { fork: r.u64(), position: r.u64() };
  if (r.remaining > BLOCK_BYTES) throw new MalformedBytes('a block that is too large');
  return { ...key, data: Buffer.from(r.raw(r.remaining)) };
}

export const encodeDiscarded = ({ fork, bytes }: DiscardedRow): Buffer =>
  new ByteWriter(17).u8(Table.Discarded).u64(fork).u64(bytes).finish();

export function decodeDiscarded(content: Uint8Array): DiscardedRow {
  const r = reader(content, Table.Discarded);
  return ended(r, { fork: r.u64(), bytes: r.u64() });
}

export const encodeTarget = (row: TargetRow): Buffer =>
  new ByteWriter(128).u8(Table.Target).u64(row.ino).bytes(row.path).finish();

export function decodeTarget(content: Uint8Array): TargetRow {
  const r = reader(content, Table.Target);
  return ended(r, { ino: r.u64(), path: Buffer.from(r.bytes(FileLimits.targetBytes)) });
}

export const encodeXattr = ({ ino, name, value }: XattrRow): Buffer =>
  new ByteWriter(XATTR_HEADER_BYTES + name.length + value.length)
    .u8(Table.Xattr)
    .u64(ino)
    .bytes(Buffer.from(name, 'latin1'))
    .bytes(value)
    .finish();

export function decodeXattr(content: Uint8Array): XattrRow {
  const r = reader(content, Table.Xattr);
  const ino = r.u64();
  const name = Buffer.from(r.bytes(FileLimits.xattrNameBytes)).toString('latin1');
  return ended(r, { ino, name, value: Buffer.from(r.bytes(FileLimits.xattrBytes)) });
}

const keyed = (table: number, session: SessionId): ByteWriter =>
  new ByteWriter(128).u8(table).u32(session.client).u64(session.instance);
const readSession = (r: ByteReader): SessionId => ({ client: r.u32(), instance: r.u64() });

export const encodeOrphan = (row: OrphanRow): Buffer =>
  keyed(Table.Orphan, row.session).u64(row.ino).bool(row.claimed).finish();

export function decodeOrphan(content: Uint8Array): OrphanRow {
  const r = reader(content, Table.Orphan);
  return ended(r, { session: readSession(r), ino: r.u64(), claimed: r.bool() });
}

export const encodeLocks = ({ ino, locks }: LockRow): Buffer => {
  const w = new ByteWriter(128).u8(Table.Lock).u64(ino).u32(locks.length);
  for (const lock of locks) {
    writeKind(w, lock.kind);
    writeType(w, lock.type);
    writeRange(w, lock);
    w.u32(lock.session.client).u64(lock.session.instance);
    writeOwner(w, lock.owner);
    w.u32(lock.pid);
  }
  return w.finish();
};

export function decodeLocks(content: Uint8Array): LockRow {
  const r = reader(content, Table.Lock);
  const ino = r.u64();
  const count = r.u32();
  if (count > FileLimits.locksPerFile) throw new MalformedBytes(`${count} locks`);
  const locks: HeldLock[] = [];
  for (let i = 0; i < count; i++) {
    const held = { kind: readKind(r), type: readHeldType(r), ...readRange(r) };
    locks.push({ ...held, session: readSession(r), owner: readOwner(r), pid: r.u32() });
  }
  return ended(r, { ino, locks });
}

export const encodeLease = (row: LeaseRow): Buffer =>
  keyed(Table.Lease, row.session).u64(row.renewed).bool(row.announced).finish();

export function decodeLease(content: Uint8Array): LeaseRow {
  const r = reader(content, Table.Lease);
  return ended(r, { session: readSession(r), renewed: r.u64(), announced: r.bool() });
}

export const encodeSession = (row: SessionRow): Buffer => {
  const w = keyed(Table.Session, row.session).u32(row.slots);
  writeTime(w, row.opened);
  return w.finish();
};

export function decodeSession(content: Uint8Array): SessionRow {
  const r = reader(content, Table.Session);
  return ended(r, { session: readSession(r), slots: r.u32(), opened: readTime(r) });
}

export const encodeSlot = ({ session, row }: SlotEntry): Buffer => {
  const w = keyed(Table.Slot, session).u32(row.slot).u64(row.sequence).bytes(row.requestDigest);
  w.u32(row.status).u64(row.durableAt);
  w.bool(row.result !== undefined);
  if (row.result !== undefined) w.bytes(row.result);
  return w.finish();
};

export function decodeSlot(content: Uint8Array): SlotEntry {
  const r = reader(content, Table.Slot);
  const session = readSession(r);
  const call = { slot: r.u32(), sequence: r.u64(), requestDigest: Buffer.from(r.bytes(DIGEST_BYTES)) };
  const row = { ...call, status: r.u32(), durableAt: r.u64() };
  if (!r.bool()) return ended(r, { session, row });
  return ended(r, { session, row: { ...row, result: Buffer.from(r.bytes(Limits.cachedReplyBytes)) } });
}

export const encodeEndedInstance = (row: EndedInstanceRow): Buffer =>
  new ByteWriter(16).u8(Table.EndedInstance).u32(row.client).u64(row.instance).finish();

export function decodeEndedInstance(content: Uint8Array): EndedInstanceRow {
  const r = reader(content, Table.EndedInstance);
  return ended(r, { client: r.u32(), instance: r.u64() });
}

export const encodeClient = (row: ClientRow): Buffer => {
  const w = new ByteWriter(256).u8(Table.Client);
  writeClient(w, row);
  return w.finish();
};

export function decodeClient(content: Uint8Array): ClientRow {
  const r = reader(content, Table.Client);
  return ended(r, readClient(r));
}

export const encodeRecord = (row: RecordRow): Buffer =>
  new ByteWriter(128).u8(Table.Record).bytes(row.key).bytes(row.value).finish();

export function decodeRecord(content: Uint8Array): RecordRow {
  const r = reader(content, Table.Record);
  const key = Buffer.from(r.bytes(RECORD_KEY_BYTES));
  return ended(r, { key, value: Buffer.from(r.bytes(RECORD_VALUE_BYTES)) });
}
