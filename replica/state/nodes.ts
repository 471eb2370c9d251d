/** What the operations share: finding nodes, checking names, making and freeing inodes, changing directories. */
import { Errno } from '../../src/fileservice/errno.js';
import { Access } from '../../src/fileservice/operations.js';
import {
  type Attributes,
  type Credentials,
  FileLimits,
  FileType,
  type Handle,
  isDirectory,
  ROOT_INO,
  type Time,
} from '../../src/fileservice/types.js';
import { assert } from '../../src/limits.js';
import type { SessionId } from '../../src/pbft/messages.js';
import { reaches } from './confinement.js';
import { sameSession } from './lock-ranges.js';
import { isPermitted, isStuck } from './permissions.js';
import type { ClientRow, DentryRow, InodeRow } from './rows.js';
import { chargeInodes, dropBlocks, inodeError, payerOf, refund } from './space.js';
import type { Store } from './store.js';
import { freeXattrs } from './xattrs.js';

/** One call under execution: on whose behalf, when, and on what. */
export interface Call {
  store: Store;
  /** Whose session it is, as it was registered. */
  client: ClientRow;
  who: Credentials;
  /** Agreed time of the call. */
  now: Time;
  session: SessionId;
}

/** `stat` shows it as a directory's size. */
export const DIRECTORY_BYTES = 4096;
/** A directory's first entry; 1 and 2 are `.` and `..`. */
export const FIRST_COOKIE = 3;

const DOT = '.'.charCodeAt(0);
const SLASH = '/'.charCodeAt(0);

export const isFailure = (outcome: InodeRow | Errno): outcome is Errno => typeof outcome === 'number';

export const attributes = (row: InodeRow): Attributes => ({
  ino: row.ino,
  generation: row.generation,
  mode: row.mode,
  nlink: row.nlink,
  uid: row.uid,
  gid: row.gid,
  rdev: row.rdev,
  size: row.size,
  blocks: row.allocated / 512,
  atime: row.atime,
  mtime: row.mtime,
  ctime: row.ctime,
  change: row.change,
  hasXattrs: row.xattrBytes > 0,
});

/** The inode of an entry: there always is one. */
export function inode(store: Store, ino: number): InodeRow {
  const row = store.inodes.get(ino);
  assert(row !== undefined, `inode ${ino} exists`);
  return row;
}

export function findNode({ store }: Call, handle: Handle): InodeRow | Errno {
  const row = store.inodes.get(handle.ino);
  return row !== undefined && row.generation === handle.generation ? row : Errno.ESTALE;
}

/** What `..` is: whoever is confined to a directory has nothing above it. */
export const parentOf = ({ client }: Call, directory: InodeRow): number =>
  directory.ino === client.rights.subtree?.ino ? directory.ino : directory.parent;

/** The directory a name is to be looked up in: the caller must be allowed to search it. */
export function enterDirectory(call: Call, handle: Handle): InodeRow | Errno {
  const row = findNode(call, handle);
  if (isFailure(row)) return row;
  if (!isDirectory(row.mode)) return Errno.ENOTDIR;
  return isPermitted(call, row, Access.EXECUTE) ? row : Errno.EACCES;
}

export const isDot = (name: Uint8Array): boolean => name.length === 1 && name[0] === DOT;
export const isDotDot = (name: Uint8Array): boolean => name.length === 2 && name[0] === DOT && name[1] === DOT;

/** Undefined for what may name an entry, `.` and `..` included. */
export function nameError(name: Uint8Array): Errno | undefined {
  if (name.length > FileLimits.nameBytes) return Errno.ENAMETOOLONG;
  return name.length === 0 || name.includes(0) || name.includes(SLASH) ? Errno.EINVAL : undefined;
}

/** may_create: whether an entry may be added, which the caller knows not to exist. */
export const mayAdd = (call: Call, directory: InodeRow): boolean =>
  isPermitted(call, directory, Access.WRITE | Access.EXECUTE);

/** may_delete, in Linux's order. */
export function removalError(call: Call, from: InodeRow, victim: InodeRow, asDirectory: boolean): Errno | undefined {
  if (!isPermitted(call, from, Access.WRITE | Access.EXECUTE)) return Errno.EACCES;
  if (isStuck(call.who, from, victim)) return Errno.EPERM;
  if (asDirectory !== isDirectory(victim.mode)) return asDirectory ? Errno.ENOTDIR : Errno.EISDIR;
  return victim.ino === ROOT_INO ? Errno.EBUSY : undefined;
}

/** Changes an inode's fields, with what every change entails. */
export function update(call: Call, row: InodeRow, changed: Partial<InodeRow>): InodeRow {
  const next = { ...row, ...changed, ctime: call.now, change: row.change + 1 };
  call.store.inodes.put(row.ino, next);
  return next;
}

/** Adds an entry for `child` and returns the directory as it is then. */
export function addEntry(call: Call, directory: InodeRow, name: Uint8Array, child: InodeRow): InodeRow {
  call.store.dentries.set({
    parent: directory.ino,
    name: Buffer.from(name),
    child: child.ino,
    cookie: directory.nextCookie,
  });
  return update(call, directory, {
    mtime: call.now,
    entries: directory.entries + 1,
    nextCookie: directory.nextCookie + 1,
    nlink: directory.nlink + (isDirectory(child.mode) ? 1 : 0),
  });
}

export function removeEntry(call: Call, directory: InodeRow, entry: DentryRow, child: InodeRow): InodeRow {
  call.store.dentries.unset(entry);
  return update(call, directory, {
    mtime: call.now,
    entries: directory.entries - 1,
    nlink: directory.nlink - (isDirectory(child.mode) ? 1 : 0),
  });
}

/** Makes an inode without a name yet, unless there are as many as were agreed. */
export function makeInode(call: Call, fields: Pick<InodeRow, 'mode' | 'gid'> & Partial<InodeRow>): InodeRow | Errno {
  const { store, now } = call;
  const payer = payerOf(call);
  const refused = inodeError(store, payer);
  if (refused !== undefined) return refused;
  const isParent = isDirectory(fields.mode);
  const ino = store.takeNumber();
  const row: InodeRow = {
    ino,
    generation: 1,
    mode: fields.mode,
    nlink: isParent ? 2 : 1,
    uid: call.who.uid,
    gid: fields.gid,
    rdev: fields.rdev ?? 0,
    size: isParent ? DIRECTORY_BYTES : (fields.size ?? 0),
    allocated: 0,
    atime: now,
    mtime: now,
    ctime: now,
    change: 1,
    parent: fields.parent ?? 0,
    entries: 0,
    nextCookie: isParent ? FIRST_COOKIE : 0,
    xattrBytes: 0,
    reserved: 0,
    fork: ino,
    payer,
  };
  store.inodes.insert(row.ino, row);
  chargeInodes(store, row, 1);
  return row;
}

/** Frees the inode and all that belongs to it. */
export function freeInode(store: Store, row: InodeRow): void {
  dropBlocks(store, row);
  if ((row.mode & FileType.MASK) === FileType.SYMLINK) store.targets.remove(row.ino);
  freeXattrs(store, row);
  if (store.locks.get(row.ino) !== undefined) store.locks.remove(row.ino);
  store.inodes.remove(row.ino);
  refund(store, row);
}

/**
 * A non-directory lost a name. With the last one it is freed, unless somebody may have it open: the calling session, if
 * `retain` names it, and others with leases, who are asked at their next RENEW. Then it lives on without a name until
 * all have let go of it: by `release`, by RENEW, by the end of the session or of its lease.
 * @param directory in which the name was
 */
export function dropLink(call: Call, row: InodeRow, retain: number, directory: InodeRow): InodeRow {
  const { store, session } = call;
  const left = update(call, row, { nlink: row.nlink - 1 });
  if (left.nlink > 0) return left;
  const others = store.leases
    .all()
    .filter((lease) => !sameSession(lease.session, session) && reaches(store, lease.session.client, directory.ino));
  if (retain === row.ino) {
    store.leases.hold(session, call.now);
    store.orphans.add(session, row.ino, true);
  } else if (others.length === 0) {
    freeInode(store, left);
  }
  for (const other of others) store.orphans.add(other.session, row.ino, false);
  return left;
}

/** A directory, empty, lost its name. Returns it as it was last. */
export function dropDirectory(call: Call, row: InodeRow): InodeRow {
  const left = update(call, row, { nlink: 0 });
  freeInode(call.store, left);
  return left;
}
