/** Operations that find nodes and show what they are. None changes anything, atime included (as with `noatime`). */
import { Errno } from '../../../src/fileservice/errno.js';
import { Access, type OperationOf } from '../../../src/fileservice/operations.js';
import { type DirectoryEntry, encodedEntryBytes, type Results } from '../../../src/fileservice/results.js';
import { FileLimits, isDirectory, isSymlink } from '../../../src/fileservice/types.js';
import { assert } from '../../../src/limits.js';
import {
  attributes,
  type Call,
  enterDirectory,
  findNode,
  inode,
  isDot,
  isDotDot,
  isFailure,
  nameError,
  parentOf,
} from '../nodes.js';
import { isPermitted } from '../permissions.js';
import type { InodeRow } from '../rows.js';

/** `.` and `..` are names too: the root is its own parent. */
export function lookup(call: Call, o: OperationOf<'lookup'>): Results['lookup'] | Errno {
  const directory = enterDirectory(call, o.parent);
  if (isFailure(directory)) return directory;
  const found = findEntry(call, directory, o.name);
  return isFailure(found) ? found : { errno: 0, attributes: attributes(found), parent: attributes(directory) };
}

function findEntry(call: Call, directory: InodeRow, name: Uint8Array): InodeRow | Errno {
  const wrong = nameError(name);
  if (wrong !== undefined) return wrong;
  if (isDot(name)) return directory;
  const { store } = call;
  if (isDotDot(name)) return inode(store, parentOf(call, directory));
  const entry = store.dentries.find(directory.ino, name);
  return entry === undefined ? Errno.ENOENT : inode(store, entry.child);
}

export function getattr(call: Call, o: OperationOf<'getattr'>): Results['getattr'] | Errno {
  const node = findNode(call, o.node);
  return isFailure(node) ? node : { errno: 0, attributes: attributes(node) };
}

/** The strict check of access, that later reads and writes by the owner need not pass again. */
export function open(call: Call, o: OperationOf<'open'>): Results['open'] | Errno {
  const node = findNode(call, o.node);
  if (isFailure(node)) return node;
  let parent: InodeRow | undefined;
  if (o.parent !== undefined && o.name !== undefined) {
    const directory = enterDirectory(call, o.parent);
    if (isFailure(directory)) return directory;
    const found = findEntry(call, directory, o.name);
    if (isFailure(found) || found.ino !== node.ino) return Errno.ESTALE;
    parent = directory;
  }
  if (isSymlink(node.mode)) return Errno.ELOOP;
  if (isDirectory(node.mode) && (o.access & Access.WRITE) !== 0) return Errno.EISDIR;
  if (!isPermitted(call, node, o.access)) return Errno.EACCES;
  const result = { errno: 0, attributes: attributes(node) } as const;
  return parent === undefined ? result : { ...result, parent: attributes(parent) };
}

export function readlink(call: Call, o: OperationOf<'readlink'>): Results['readlink'] | Errno {
  const node = findNode(call, o.node);
  if (isFailure(node)) return node;
  if (!isSymlink(node.mode)) return Errno.EINVAL;
  const target = call.store.targets.get(node.ino);
  assert(target !== undefined, `symbolic link ${node.ino} has a target`);
  return { errno: 0, target: target.path };
}

/** Entries come with their attributes, for which read permission on the directory is enough. */
export function readdir(call: Call, o: OperationOf<'readdir'>): Results['readdir'] | Errno {
  const { store } = call;
  const directory = findNode(call, o.directory);
  if (isFailure(directory)) return directory;
  if (!isDirectory(directory.mode)) return Errno.ENOTDIR;
  if (!isPermitted(call, directory, Access.READ)) return Errno.EACCES;

  const entries: DirectoryEntry[] = [];
  let room = Math.min(o.maxBytes, FileLimits.readdirBytes);
  const fits = (cookie: number, name: Uint8Array, ino: number): boolean => {
    room -= encodedEntryBytes(name.length);
    if (room >= 0) entries.push({ cookie, name, attributes: attributes(inode(store, ino)) });
    return room >= 0;
  };
  const limit = Math.floor(room / encodedEntryBytes(1)) + 1;
  const complete =
    (o.cookie >= 1 || fits(1, DOT_NAME, directory.ino)) &&
    (o.cookie >= 2 || fits(2, DOT_DOT_NAME, parentOf(call, directory))) &&
    store.dentries.list(directory.ino, o.cookie, limit).every((entry) => fits(entry.cookie, entry.name, entry.child));
  // Not even one entry fits: as getdents(2), rather than an empty listing that would never advance.
  if (!complete && entries.length === 0) return Errno.EINVAL;
  return { errno: 0, entries, end: complete, directory: attributes(directory) };
}

const DOT_NAME = Buffer.from('.');
const DOT_DOT_NAME = Buffer.from('..');

const STATFS_BLOCK_BYTES = 4096;

/** Of the agreed capacity, never of a replica's disk; who has a quota sees that, and what is left of it. */
export function statfs({ store, client }: Call): Results['statfs'] {
  const { usedBytes, usedInodes } = store.header.row;
  const { bytes, inodes } = store.capacity;
  const quota = client.rights.quota ?? { bytes, inodes };
  const left = (used: number, most: number, usedOfQuota: number, quota: number) =>
    Math.max(0, Math.min(most - used, quota - usedOfQuota));
  return {
    errno: 0,
    statistics: {
      blockSize: STATFS_BLOCK_BYTES,
      blocks: Math.floor(Math.min(bytes, quota.bytes) / STATFS_BLOCK_BYTES),
      freeBlocks: Math.floor(left(usedBytes, bytes, client.usedBytes, quota.bytes) / STATFS_BLOCK_BYTES),
      files: Math.min(inodes, quota.inodes),
      freeFiles: left(usedInodes, inodes, client.usedInodes, quota.inodes),
    },
  };
}
