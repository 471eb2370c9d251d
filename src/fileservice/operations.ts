/**
 * The operations of the file service, as NFS shaped them (RFC 1813, RFC 8881): they name inodes, not paths, and
 * every one is executed by each replica from these bytes alone.
 */
import { ByteReader, ByteWriter, MalformedBytes } from '../bytes.js';
import { type Approval, type Change, readApprovals, readChange, writeApprovals, writeChange } from './clients.js';
import { readHandle, readTime, writeHandle } from './fields.js';
import { type LockRequest, readLockRequest, writeLockRequest } from './locks.js';
import { type Credentials, FileLimits, type Handle, type Time } from './types.js';

/** `now` is the agreed time of the request, never the client's clock. */
export type TimeUpdate = Time | 'now';

export const Access = { EXECUTE: 1, WRITE: 2, READ: 4 } as const;

export const RenameFlag = { NOREPLACE: 1, EXCHANGE: 2 } as const;

/** FALLOC_FL_… of linux/falloc.h */
export const AllocateMode = { KEEP_SIZE: 1, PUNCH_HOLE: 2, ZERO_RANGE: 16 } as const;

/** XATTR_CREATE, XATTR_REPLACE */
export const XattrFlag = { CREATE: 1, REPLACE: 2 } as const;

/**
 * `umask` in operations that make an inode: bits that `mode` loses, unless the directory has a default ACL, which then
 * says what is granted (acl(5)). Absent: none.
 *
 * `retain` in operations that may remove a file's last name: the inode (0: none) that this session holds open.
 * If that inode is the victim, it stays readable as an open-unlinked reference of the session until `release`.
 */
export type Operation =
  /** Does nothing, as an ordered request or as a read: the 0/0 of the papers' micro-benchmark. `padding` is ignored;
   * the result carries `resultBytes` zero bytes. */
  | { op: 'null'; padding: Uint8Array; resultBytes: number }
  | { op: 'lookup'; parent: Handle; name: Uint8Array }
  | { op: 'getattr'; node: Handle }
  | {
      op: 'setattr';
      node: Handle;
      mode?: number;
      uid?: number;
      gid?: number;
      size?: number;
      atime?: TimeUpdate;
      mtime?: TimeUpdate;
      /** Clear suid and sgid as chown and truncate by an unprivileged caller do (FATTR_KILL_SUIDGID). */
      killPrivileges?: boolean;
    }
  /** Entries after `cookie` (0: from the start), at most `maxBytes` of encoded entries, `.` and `..` first. */
  | { op: 'readdir'; directory: Handle; cookie: number; maxBytes: number }
  /** Opens an existing regular file instead, unless `exclusive`; `truncate` then applies to it. */
  | {
      op: 'create';
      parent: Handle;
      name: Uint8Array;
      mode: number;
      exclusive: boolean;
      truncate: boolean;
      access: number;
      umask?: number;
    }
  | { op: 'mkdir'; parent: Handle; name: Uint8Array; mode: number; umask?: number }
  | { op: 'mknod'; parent: Handle; name: Uint8Array; mode: number; rdev: number; umask?: number }
  | { op: 'symlink'; parent: Handle; name: Uint8Array; target: Uint8Array }
  | { op: 'readlink'; node: Handle }
  | { op: 'link'; node: Handle; parent: Handle; name: Uint8Array }
  | { op: 'unlink'; parent: Handle; name: Uint8Array; retain: number }
  | { op: 'rmdir'; parent: Handle; name: Uint8Array }
  | {
      op: 'rename';
      parent: Handle;
      name: Uint8Array;
      newParent: Handle;
      newName: Uint8Array;
      flags: number;
      retain: number;
    }
  /** Checks `access` (Access bits) and, where `parent` is given, that (parent, name) still names `node`: else ESTALE. */
  | { op: 'open'; node: Handle; access: number; parent?: Handle; name?: Uint8Array }
  /** Drops this session's open-unlinked reference to `node`. */
  | { op: 'release'; node: Handle }
  | { op: 'read'; node: Handle; offset: number; length: number }
  /** `append`: the offset is the file's end at execution. `killPrivileges` as in setattr. */
  | { op: 'write'; node: Handle; offset: number; append: boolean; killPrivileges: boolean; data: Uint8Array }
  /** Answered when a quorum has everything up to it on stable storage. */
  | { op: 'fsync'; node: Handle }
  | { op: 'statfs' }
  /** `name` is that of setxattr(2), namespace and all. */
  | { op: 'getxattr'; node: Handle; name: Uint8Array }
  /** Names that the caller may know of. */
  | { op: 'listxattr'; node: Handle }
  /** `flags`: XattrFlag. */
  | { op: 'setxattr'; node: Handle; name: Uint8Array; value: Uint8Array; flags: number }
  | { op: 'removexattr'; node: Handle; name: Uint8Array }
  /** fallocate(2), from the range's start for as much of it as one operation may do. `mode`: AllocateMode. */
  | { op: 'allocate'; node: Handle; mode: number; offset: number; length: number; killPrivileges: boolean }
  /** lseek(2) with SEEK_DATA or SEEK_HOLE. */
  | { op: 'seek'; node: Handle; offset: number; what: 'data' | 'hole' }
  /** copy_file_range(2) to `offset` of `node`, of at most FileLimits.ioBytes. */
  | {
      op: 'copy';
      source: Handle;
      sourceOffset: number;
      node: Handle;
      offset: number;
      length: number;
      killPrivileges: boolean;
    }
  /** Takes or drops a lock; EAGAIN where another owner's is in the way: nobody waits at the replicas. */
  | { op: 'lock'; node: Handle; lock: LockRequest }
  /** Whether that lock could be taken. */
  | { op: 'testlock'; node: Handle; lock: LockRequest }
  /**
   * The session lives: what it holds is kept for another lease time. Of the nameless inodes that the service keeps lest
   * the session have them open, it has the `claimed`, and has not the `released`.
   */
  | { op: 'renew'; claimed: readonly number[]; released: readonly number[] }
  /** Administrators' alone: clients with numbers from `from` on, revoked ones too. */
  | { op: 'clients'; from: number }
  /** Administrators' alone. `version`: of the clients' table that is changed, so that no change is made twice. */
  | { op: 'administer'; version: number; change: Change; approvals: readonly Approval[] };

export type OperationName = Operation['op'];

/** The operation, or operations, of that name. */
export type OperationOf<Name extends OperationName> = Extract<Operation, { op: Name }>;

/** On the wire an operation is its number; the order is part of the format. */
const NUMBERS: Record<OperationName, number> = {
  null: 0,
  lookup: 1,
  getattr: 2,
  setattr: 3,
  readdir: 4,
  create: 5,
  mkdir: 6,
  mknod: 7,
  symlink: 8,
  readlink: 9,
  link: 10,
  unlink: 11,
  rmdir: 12,
  rename: 13,
  open: 14,
  release: 15,
  read: 16,
  write: 17,
  fsync: 18,
  statfs: 19,
  getxattr: 20,
  listxattr: 21,
  setxattr: 22,
  removexattr: 23,
  allocate: 24,
  seek: 25,
  copy: 26,
  lock: 27,
  testlock: 28,
  renew: 29,
  clients: 30,
  administer: 31,
};

const NAMES: (OperationName | undefined)[] = [];
for (const name of Object.keys(NUMBERS) as OperationName[]) NAMES[NUMBERS[name]] = name;

/** Operations that change nothing: a replica runs these, and no others, for a read-only request (trap 13). */
const READ_ONLY: ReadonlySet<OperationName> = new Set([
  'null',
  'lookup',
  'getattr',
  'readdir',
  'readlink',
  'open',
  'read',
  'statfs',
  'getxattr',
  'listxattr',
  'seek',
  'testlock',
  'clients',
]);

export const isReadOnly = (operation: Operation): boolean => READ_ONLY.has(operation.op);

const NO_CREDENTIALS: Credentials = { uid: 0, gid: 0, groups: [] };

function writeTimeUpdate(w: ByteWriter, time: TimeUpdate): void {
  if (time === 'now') w.u8(0);
  else w.u8(1).i64(time.seconds).u32(time.nanoseconds);
}

function readTimeUpdate(r: ByteReader): TimeUpdate {
  if (!r.bool()) return 'now';
  return readTime(r);
}

export function writeInos(w: ByteWriter, inos: readonly number[]): void {
  w.u32(inos.length);
  for (const ino of inos) w.u64(ino);
}

export function readInos(r: ByteReader): number[] {
  const count = r.u32();
  if (count > FileLimits.inosInRenewal) throw new MalformedBytes(`${count} inodes`);
  return Array.from({ length: count }, () => r.u64());
}

function readUmask(r: ByteReader): { umask?: number } {
  const umask = r.u16();
  return umask === 0 ? {} : { umask };
}

/** Names longer than NAME_MAX do arrive (the kernel leaves the check to the server) and are answered ENAMETOOLONG. */
const readName = (r: ByteReader): Buffer => r.bytes(4096);

/** Which attributes a setattr changes: those present follow in this order. */
const SetattrBit = {
  Mode: 1,
  Uid: 2,
  Gid: 4,
  Size: 8,
  Atime: 16,
  Mtime: 32,
  KillPrivileges: 64,
} as const;

function writeSetattr(w: ByteWriter, o: OperationOf<'setattr'>): void {
  writeHandle(w, o.node);
  w.u8(
    (o.mode !== undefined ? SetattrBit.Mode : 0) |
      (o.uid !== undefined ? SetattrBit.Uid : 0) |
      (o.gid !== undefined ? SetattrBit.Gid : 0) |
      (o.size !== undefined ? SetattrBit.Size : 0) |
      (o.atime !== undefined ? SetattrBit.Atime : 0) |
      (o.mtime !== undefined ? SetattrBit.Mtime : 0) |
      (o.killPrivileges ? SetattrBit.KillPrivileges : 0),
  );
  if (o.mode !== undefined) w.u32(o.mode);
  if (o.uid !== undefined) w.u32(o.uid);
  if (o.gid !== undefined) w.u32(o.gid);
  if (o.size !== undefined) w.u64(o.size);
  if (o.atime !== undefined) writeTimeUpdate(w, o.atime);
  if (o.mtime !== undefined) writeTimeUpdate(w, o.mtime);
}

function readSetattr(r: ByteReader): Operation {
  const node = readHandle(r);
  const bits = r.u8();
  if (bits > 127) throw new MalformedBytes(`setattr bits ${bits}`);
  const o: OperationOf<'setattr'> = { op: 'setattr', node };
  if (bits & SetattrBit.Mode) o.mode = r.u32();
  if (bits & SetattrBit.Uid) o.uid = r.u32();
  if (bits & SetattrBit.Gid) o.gid = r.u32();
  if (bits & SetattrBit.Size) o.size = r.u64();
  if (bits & SetattrBit.Atime) o.atime = readTimeUpdate(r);
  if (bits & SetattrBit.Mtime) o.mtime = readTimeUpdate(r);
  if (bits & SetattrBit.KillPrivileges) o.killPrivileges = true;
  return o;
}

/** The bytes of a call: credentials, then the operation. Data is copied once, into the result. */
export function encodeOperation(credentials: Credentials, o: Operation): Buffer {
  const w = new ByteWriter(o.op === 'write' ? o.data.length + 128 : 256);
  w.u8(NUMBERS[o.op]).u32(credentials.uid).u32(credentials.gid).u8(credentials.groups.length);
  for (const group of credentials.groups) w.u32(group);
  switch (o.op) {
    case 'null':
      w.u32(o.resultBytes).bytes(o.padding);
      break;
    case 'lookup':
    case 'rmdir':
      writeHandle(w, o.parent);
      w.bytes(o.name);
      break;
    case 'getattr':
    case 'readlink':
    case 'release':
    case 'fsync':
    case 'listxattr':
      writeHandle(w, o.node);
      break;
    case 'setattr':
      writeSetattr(w, o);
      break;
    case 'readdir':
      writeHandle(w, o.directory);
      w.u64(o.cookie).u32(o.maxBytes);
      break;
    case 'create':
      writeHandle(w, o.parent);
      w.bytes(o.name)
        .u32(o.mode)
        .bool(o.exclusive)
        .bool(o.truncate)
        .u8(o.access)
        .u16(o.umask ?? 0);
      break;
    case 'mkdir':
      writeHandle(w, o.parent);
      w.bytes(o.name)
        .u32(o.mode)
        .u16(o.umask ?? 0);
      break;
    case 'mknod':
      writeHandle(w, o.parent);
      w.bytes(o.name)
        .u32(o.mode)
        .u32(o.rdev)
        .u16(o.umask ?? 0);
      break;
    case 'symlink':
      writeHandle(w, o.parent);
      w.bytes(o.name).bytes(o.target);
      break;
    case 'link':
      writeHandle(w, o.node);
      writeHandle(w, o.parent);
      w.bytes(o.name);
      break;
    case 'unlink':
      writeHandle(w, o.parent);
      w.bytes(o.name).u64(o.retain);
      break;
    case 'rename':
      writeHandle(w, o.parent);
      w.bytes(o.name);
      writeHandle(w, o.newParent);
      w.bytes(o.newName).u32(o.flags).u64(o.retain);
      break;
    case 'open':
      writeHandle(w, o.node);
      w.u8(o.access).bool(o.parent !== undefined);
      if (o.parent !== undefined) {
        writeHandle(w, o.parent);
        w.bytes(o.name!);
      }
      break;
    case 'read':
      writeHandle(w, o.node);
      w.u64(o.offset).u32(o.length);
      break;
    case 'write':
      writeHandle(w, o.node);
      w.u64(o.offset).bool(o.append).bool(o.killPrivileges).bytes(o.data);
      break;
    case 'statfs':
      break;
    case 'getxattr':
    case 'removexattr':
      writeHandle(w, o.node);
      w.bytes(o.name);
      break;
    case 'setxattr':
      writeHandle(w, o.node);
      w.bytes(o.name).bytes(o.value).u32(o.flags);
      break;
    case 'allocate':
      writeHandle(w, o.node);
      w.u32(o.mode).u64(o.offset).u64(o.length).bool(o.killPrivileges);
      break;
    case 'seek':
      writeHandle(w, o.node);
      w.u64(o.offset).bool(o.what === 'hole');
      break;
    case 'copy':
      writeHandle(w, o.source);
      w.u64(o.sourceOffset);
      writeHandle(w, o.node);
      w.u64(o.offset).u64(o.length).bool(o.killPrivileges);
      break;
    case 'lock':
    case 'testlock':
      writeHandle(w, o.node);
      writeLockRequest(w, o.lock);
      break;
    case 'renew':
      writeInos(w, o.claimed);
      writeInos(w, o.released);
      break;
    case 'clients':
      w.u32(o.from);
      break;
    case 'administer':
      w.u64(o.version);
      writeChange(w, o.change);
      writeApprovals(w, o.approvals);
      break;
  }
  return w.finish();
}

function readBody(op: OperationName, r: ByteReader): Operation {
  switch (op) {
    case 'null':
      return { op, resultBytes: r.u32(), padding: r.bytes(FileLimits.ioBytes) };
    case 'lookup':
    case 'rmdir':
      return { op, parent: readHandle(r), name: readName(r) };
    case 'getattr':
    case 'readlink':
    case 'release':
    case 'fsync':
    case 'listxattr':
      return { op, node: readHandle(r) };
    case 'setattr':
      return readSetattr(r);
    case 'readdir':
      return { op, directory: readHandle(r), cookie: r.u64(), maxBytes: r.u32() };
    case 'create':
      return {
        op,
        parent: readHandle(r),
        name: readName(r),
        mode: r.u32(),
        exclusive: r.bool(),
        truncate: r.bool(),
        access: r.u8(),
        ...readUmask(r),
      };
    case 'mkdir':
      return { op, parent: readHandle(r), name: readName(r), mode: r.u32(), ...readUmask(r) };
    case 'mknod':
      return { op, parent: readHandle(r), name: readName(r), mode: r.u32(), rdev: r.u32(), ...readUmask(r) };
    case 'symlink':
      return { op, parent: readHandle(r), name: readName(r), target: r.bytes(4096) };
    case 'link':
      return { op, node: readHandle(r), parent: readHandle(r), name: readName(r) };
    case 'unlink':
      return { op, parent: readHandle(r), name: readName(r), retain: r.u64() };
    case 'rename':
      return {
        op,
        parent: readHandle(r),
        name: readName(r),
        newParent: readHandle(r),
        newName: readName(r),
        flags: r.u32(),
        retain: r.u64(),
      };
    case 'open': {
      const node = readHandle(r);
      const access = r.u8();
      if (!r.bool()) return { op, node, access };
      return { op, node, access, parent: readHandle(r), name: readName(r) };
    }
    case 'read':
      return { op, node: readHandle(r), offset: r.u64(), length: r.u32() };
    case 'write':
      return {
        op,
        node: readHandle(r),
        offset: r.u64(),
        append: r.bool(),
        killPrivileges: r.bool(),
        data: r.bytes(FileLimits.ioBytes),
      };
    case 'statfs':
      return { op };
    case 'getxattr':
    case 'removexattr':
      return { op, node: readHandle(r), name: readName(r) };
    case 'setxattr':
      return { op, node: readHandle(r), name: readName(r), value: r.bytes(FileLimits.xattrBytes), flags: r.u32() };
    case 'allocate':
      return {
        op,
        node: readHandle(r),
        mode: r.u32(),
        offset: r.u64(),
        length: r.u64(),
        killPrivileges: r.bool(),
      };
    case 'seek':
      return { op, node: readHandle(r), offset: r.u64(), what: r.bool() ? 'hole' : 'data' };
    case 'copy':
      return {
        op,
        source: readHandle(r),
        sourceOffset: r.u64(),
        node: readHandle(r),
        offset: r.u64(),
        length: r.u64(),
        killPrivileges: r.bool(),
      };
    case 'lock':
    case 'testlock':
      return { op, node: readHandle(r), lock: readLockRequest(r) };
    case 'renew':
      return { op, claimed: readInos(r), released: readInos(r) };
    case 'clients':
      return { op, from: r.u32() };
    case 'administer':
      return { op, version: r.u64(), change: readChange(r), approvals: readApprovals(r) };
  }
}

/** Of an operation's bytes, without looking at any but the first; undefined if there is none of that number. */
export const operationName = (bytes: Uint8Array): OperationName | undefined => NAMES[bytes[0]];

/**
 * Strict inverse of `encodeOperation`. Byte fields are views of `bytes`, which must therefore not change.
 * @throws MalformedBytes
 */
export function decodeOperation(bytes: Uint8Array): { credentials: Credentials; operation: Operation } {
  const r = new ByteReader(bytes);
  const op = NAMES[r.u8()];
  if (op === undefined) throw new MalformedBytes('unknown operation');
  const uid = r.u32();
  const gid = r.u32();
  const count = r.u8();
  if (count > FileLimits.supplementaryGroups) throw new MalformedBytes(`${count} supplementary groups`);
  const groups: number[] = [];
  for (let i = 0; i < count; i++) groups.push(r.u32());
  const operation = readBody(op, r);
  r.end();
  const plain = uid === 0 && gid === 0 && count === 0;
  return { credentials: plain ? NO_CREDENTIALS : { uid, gid, groups }, operation };
}
