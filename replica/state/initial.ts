/** The agreed state that every replica starts from. */

import type { ClientEntry, Cluster } from '../../src/cluster/types.js';
import { ALL_RIGHTS } from '../../src/fileservice/rights.js';
import { FileType, ROOT_HANDLE } from '../../src/fileservice/types.js';
import { DIRECTORY_BYTES, FIRST_COOKIE } from './nodes.js';
import type { ClientRow, HeaderRow, InodeRow } from './rows.js';

export function initialRoot({ rootUid, rootGid, createdSeconds }: Cluster): InodeRow {
  const created = { seconds: createdSeconds, nanoseconds: 0 };
  return {
    ...ROOT_HANDLE,
    mode: FileType.DIRECTORY | 0o755,
    nlink: 2,
    uid: rootUid,
    gid: rootGid,
    rdev: 0,
    size: DIRECTORY_BYTES,
    allocated: 0,
    atime: created,
    mtime: created,
    ctime: created,
    change: 1,
    parent: ROOT_HANDLE.ino,
    entries: 0,
    nextCookie: FIRST_COOKIE,
    xattrBytes: 0,
    reserved: 0,
    fork: ROOT_HANDLE.ino,
    payer: 0,
  };
}

export const initialHeader = ({ createdSeconds }: Cluster): HeaderRow => ({
  lastExecuted: 0,
  clock: { seconds: createdSeconds, nanoseconds: 0 },
  nextIno: ROOT_HANDLE.ino + 1,
  usedBytes: 0,
  usedInodes: 1,
  discardedBytes: 0,
  clientsVersion: 0,
});

/** Those in the cluster file may do anything that the users may whom they speak for. */
export const initialClient = ({ createdSeconds }: Cluster, { id, name, publicKey }: ClientEntry): ClientRow => ({
  ...{ id, name, publicKey, rights: ALL_RIGHTS },
  ...{ since: { seconds: createdSeconds, nanoseconds: 0 }, revoked: undefined },
  ...{ usedBytes: 0, usedInodes: 0 },
});
