/** Results of file operations: an errno, or what the operation yields. Their bytes are what replicas agree on. */
import { ByteReader, ByteWriter, MalformedBytes } from '../bytes.js';
import { ClientLimits, type RegisteredClient, readClient, writeClient } from './clients.js';
import { readTime, writeTime } from './fields.js';
import { type Conflict, readHeldType, readRange, writeRange, writeType } from './locks.js';
import { type OperationName, readInos, writeInos } from './operations.js';
import { type Attributes, FileLimits } from './types.js';

/** One directory entry; `cookie` resumes READDIR after it and stays valid while other entries come and go. */
export interface DirectoryEntry {
  cookie: number;
  name: Uint8Array;
  attributes: Attributes;
}

export interface FileSystemStatistics {
  /** Bytes. */
  blockSize: number;
  /** In blocks. */
  blocks: number;
  freeBlocks: number;
  files: number;
  freeFiles: number;
}

export interface Failure {
  errno: number;
}

/** The post-operation attributes of the node, and of the directory it was changed in: they refresh client caches. */
export interface NodeResult {
  errno: 0;
  attributes: Attributes;
  parent?: Attributes;
}

export interface Results {
  null: { errno: 0; padding: Uint8Array };
  lookup: NodeResult;
  getattr: NodeResult;
  setattr: NodeResult;
  readdir: { errno: 0; entries: DirectoryEntry[]; end: boolean; directory: Attributes };
  /** `created` is false when an existing file was opened. */
  create: NodeResult & { created: boolean };
  mkdir: NodeResult;
  mknod: NodeResult;
  symlink: NodeResult;
  readlink: { errno: 0; target: Uint8Array };
  link: NodeResult;
  /** `node` is the removed name's inode after the operation (nlink 0 if it was the last name). */
  unlink: { errno: 0; node: Attributes; parent: Attributes };
  rmdir: { errno: 0; parent: Attributes };
  /** `node`: what moved. `replaced`: what the new name named before, after the operation. */
  rename: { errno: 0; node: Attributes; parent: Attributes; newParent: Attributes; replaced?: Attributes };
  open: NodeResult;
  release: { errno: 0 };
  /** Shorter than asked only at the end of the file; holes read as zeros. */
  read: { errno: 0; data: Uint8Array; attributes: Attributes };
  write: { errno: 0; attributes: Attributes };
  fsync: { errno: 0; attributes: Attributes };
  statfs: { errno: 0; statistics: FileSystemStatistics };
  getxattr: { errno: 0; value: Uint8Array };
  /** Names, in the order of their bytes. */
  listxattr: { errno: 0; names: Uint8Array[] };
  setxattr: { errno: 0; attributes: Attributes };
  removexattr: { errno: 0; attributes: Attributes };
  /** `length`: bytes of the range that it is done for; the next operation does the rest. */
  allocate: { errno: 0; attributes: Attributes; length: number };
  /** Unless `complete` the data or hole begins at `offset` or after it: to be asked for again from there. */
  seek: { errno: 0; attributes: Attributes; offset: number; complete: boolean };
  /** `length`: bytes copied, fewer than asked for also where there may be more; 0: the source ends before them. */
  copy: { errno: 0; attributes: Attributes; length: number };
  /** With the attributes at the time: whoever takes a lock sees what was written before its last holder dropped it. */
  lock: { errno: 0; attributes: Attributes };
  testlock: { errno: 0; conflict?: Conflict };
  /**
   * `lapsed`: it held no lease, being new or having lost all that it held. `unclaimed`: nameless inodes, not more than
   * FileLimits.inosInRenewal, of which the service wants to know whether the session has them open.
   */
  renew: { errno: 0; lapsed: boolean; unclaimed: number[] };
  /** `owners`: how many have to consent to a change; 0: none. `end`: there are no more clients. */
  clients: { errno: 0; version: number; owners: number; end: boolean; clients: RegisteredClient[] };
  /** The client that it was about. */
  administer: { errno: 0; client: RegisteredClient };
}

/** What an operation of that name yields: `result.errno === 0` tells success from failure. */
export type Result<Name extends OperationName = OperationName> = Failure | Results[Name];

export const succeeded = <R extends { errno: number }>(result: R): result is Extract<R, { errno: 0 }> =>
  result.errno === 0;

function writeAttributes(w: ByteWriter, a: Attributes): void {
  w.u64(a.ino).u32(a.generation).u32(a.mode).u32(a.nlink).u32(a.uid).u32(a.gid).u32(a.rdev).u64(a.size).u64(a.blocks);
  writeTime(w, a.atime);
  writeTime(w, a.mtime);
  writeTime(w, a.ctime);
  w.u64(a.change).bool(a.hasXattrs);
}

function readAttributes(r: ByteReader): Attributes {
  return {
    ino: r.u64(),
    generation: r.u32(),
    mode: r.u32(),
    nlink: r.u32(),
    uid: r.u32(),
    gid: r.u32(),
    rdev: r.u32(),
    size: r.u64(),
    blocks: r.u64(),
    atime: readTime(r),
    mtime: readTime(r),
    ctime: readTime(r),
    change: r.u64(),
    hasXattrs: r.bool(),
  };
}

function writeOptionalAttributes(w: ByteWriter, a: Attributes | undefined): void {
  w.bool(a !== undefined);
  if (a !== undefined) writeAttributes(w, a);
}

const readOptionalAttributes = (r: ByteReader): Attributes | undefined => (r.bool() ? readAttributes(r) : undefined);

/** Bytes that an entry with a name of `nameBytes` takes in a READDIR result. */
export const encodedEntryBytes = (nameBytes: number): number => 8 + 4 + nameBytes + 93;

export function encodeFailure(errno: number): Buffer {
  return new ByteWriter(4).u32(errno).finish();
}

/** Encodes the success of `op`. The caller sees to it that `result` is what `op` yields. */
export function encodeResult<Name extends OperationName>(op: Name, result: Results[Name]): Buffer;
export function encodeResult(op: OperationName, result: Results[OperationName]): Buffer {
  const any = result as never;
  const w = new ByteWriter(op === 'read' ? (any as Results['read']).data.length + 160 : 512).u32(0);
  switch (op) {
    case 'null':
      w.bytes((any as Results['null']).padding);
      break;
    case 'lookup':
    case 'getattr':
    case 'setattr':
    case 'mkdir':
    case 'mknod':
    case 'symlink':
    case 'link':
    case 'open':
    case 'create': {
      const node = any as NodeResult;
      writeAttributes(w, node.attributes);
      writeOptionalAttributes(w, node.parent);
      if (op === 'create') w.bool((any as Results['create']).created);
      break;
    }
    case 'readdir': {
      const listing = any as Results['readdir'];
      writeAttributes(w, listing.directory);
      w.bool(listing.end).u32(listing.entries.length);
      for (const entry of listing.entries) {
        w.u64(entry.cookie).bytes(entry.name);
        writeAttributes(w, entry.attributes);
      }
      break;
    }
    case 'readlink':
      w.bytes((any as Results['readlink']).target);
      break;
    case 'unlink': {
      const unlinked = any as Results['unlink'];
      writeAttributes(w, unlinked.node);
      writeAttributes(w, unlinked.parent);
      break;
    }
    case 'rmdir':
      writeAttributes(w, (any as Results['rmdir']).parent);
      break;
    case 'rename': {
      const renamed = any as Results['rename'];
      writeAttributes(w, renamed.node);
      writeAttributes(w, renamed.parent);
      writeAttributes(w, renamed.newParent);
      writeOptionalAttributes(w, renamed.replaced);
      break;
    }
    case 'release':
      break;
    case 'read': {
      const read = any as Results['read'];
      writeAttributes(w, read.attributes);
      w.bytes(read.data);
      break;
    }
    case 'write':
    case 'fsync':
      writeAttributes(w, (any as Results['write']).attributes);
      break;
    case 'lock':
    case 'setxattr':
    case 'removexattr':
      writeAttributes(w, (any as Results['lock']).attributes);
      break;
    case 'allocate':
    case 'copy': {
      const { attributes, length } = any as Results['copy'];
      writeAttributes(w, attributes);
      w.u64(length);
      break;
    }
    case 'seek': {
      const { attributes, offset, complete } = any as Results['seek'];
      writeAttributes(w, attributes);
      w.u64(offset).bool(complete);
      break;
    }
    case 'getxattr':
      w.bytes((any as Results['getxattr']).value);
      break;
    case 'listxattr': {
      const { names } = any as Results['listxattr'];
      w.u32(names.length);
      for (const name of names) w.bytes(name);
      break;
    }
    case 'testlock': {
      const { conflict } = any as Results['testlock'];
      w.bool(conflict !== undefined);
      if (conflict === undefined) break;
      writeType(w, conflict.type);
      writeRange(w, conflict);
      w.u32(conflict.pid);
      break;
    }
    case 'renew': {
      const { lapsed, unclaimed } = any as Results['renew'];
      writeInos(w.bool(lapsed), unclaimed);
      break;
    }
    case 'clients': {
      const { version, owners, end, clients } = any as Results['clients'];
      w.u64(version).u8(owners).bool(end).u8(clients.length);
      for (const client of clients) writeClient(w, client);
      break;
    }
    case 'administer':
      writeClient(w, (any as Results['administer']).client);
      break;
    case 'statfs': {
      const s = (any as Results['statfs']).statistics;
      w.u32(s.blockSize).u64(s.blocks).u64(s.freeBlocks).u64(s.files).u64(s.freeFiles);
      break;
    }
  }
  return w.finish();
}

function readNode(r: ByteReader): NodeResult {
  const attributes = readAttributes(r);
  const parent = readOptionalAttributes(r);
  return parent === undefined ? { errno: 0, attributes } : { errno: 0, attributes, parent };
}

function readResult(op: OperationName, r: ByteReader): Results[OperationName] {
  switch (op) {
    case 'null':
      return { errno: 0, padding: r.bytes(FileLimits.ioBytes) };
    case 'lookup':
    case 'getattr':
    case 'setattr':
    case 'mkdir':
    case 'mknod':
    case 'symlink':
    case 'link':
    case 'open':
      return readNode(r);
    case 'create': {
      const node = readNode(r);
      return { ...node, created: r.bool() };
    }
    case 'readdir': {
      const directory = readAttributes(r);
      const end = r.bool();
      const entries: DirectoryEntry[] = [];
      for (let count = r.u32(); count > 0; count--) {
        entries.push({ cookie: r.u64(), name: r.bytes(FileLimits.nameBytes), attributes: readAttributes(r) });
      }
      return { errno: 0, directory, end, entries };
    }
    case 'readlink':
      return { errno: 0, target: r.bytes(FileLimits.targetBytes) };
    case 'unlink':
      return { errno: 0, node: readAttributes(r), parent: readAttributes(r) };
    case 'rmdir':
      return { errno: 0, parent: readAttributes(r) };
    case 'rename': {
      const node = readAttributes(r);
      const parent = readAttributes(r);
      const newParent = readAttributes(r);
      const replaced = readOptionalAttributes(r);
      return replaced === undefined
        ? { errno: 0, node, parent, newParent }
        : { errno: 0, node, parent, newParent, replaced };
    }
    case 'release':
      return { errno: 0 };
    case 'read': {
      const attributes = readAttributes(r);
      return { errno: 0, attributes, data: r.bytes(FileLimits.ioBytes) };
    }
    case 'write':
    case 'fsync':
    case 'lock':
    case 'setxattr':
    case 'removexattr':
      return { errno: 0, attributes: readAttributes(r) };
    case 'allocate':
    case 'copy':
      return { errno: 0, attributes: readAttributes(r), length: r.u64() };
    case 'seek':
      return { errno: 0, attributes: readAttributes(r), offset: r.u64(), complete: r.bool() };
    case 'getxattr':
      return { errno: 0, value: r.bytes(FileLimits.xattrBytes) };
    case 'listxattr': {
      const names: Uint8Array[] = [];
      for (let count = r.u32(); count > 0; count--) names.push(r.bytes(FileLimits.xattrNameBytes));
      return { errno: 0, names };
    }
    case 'testlock':
      return r.bool() ? { errno: 0, conflict: { type: readHeldType(r), ...readRange(r), pid: r.u32() } } : { errno: 0 };
    case 'renew':
      return { errno: 0, lapsed: r.bool(), unclaimed: readInos(r) };
    case 'clients': {
      const listing = { version: r.u64(), owners: r.u8(), end: r.bool() };
      const count = r.u8();
      if (count > ClientLimits.listed) throw new MalformedBytes(`${count} clients`);
      return { errno: 0, ...listing, clients: Array.from({ length: count }, () => readClient(r)) };
    }
    case 'administer':
      return { errno: 0, client: readClient(r) };
    case 'statfs':
      return {
        errno: 0,
        statistics: {
          blockSize: r.u32(),
          blocks: r.u64(),
          freeBlocks: r.u64(),
          files: r.u64(),
          freeFiles: r.u64(),
        },
      };
  }
}

/**
 * Strict inverse of `encodeResult` and `encodeFailure`. Byte fields are views of `bytes`.
 * @throws MalformedBytes
 */
export function decodeResult<Name extends OperationName>(op: Name, bytes: Uint8Array): Result<Name>;
export function decodeResult(op: OperationName, bytes: Uint8Array): Result {
  const r = new ByteReader(bytes);
  const errno = r.u32();
  const result = errno === 0 ? readResult(op, r) : { errno };
  r.end();
  if (errno > 4095) throw new MalformedBytes(`errno ${errno}`);
  return result;
}
