/** Who may do what to an inode: POSIX permission classes with Linux's rules for uid 0 (fs/namei.c, fs/attr.c). */
import { Access } from '../../src/fileservice/operations.js';
import { type Credentials, isDirectory, isInGroup } from '../../src/fileservice/types.js';
import type { InodeRow } from './rows.js';
import type { Store } from './store.js';
import { grantedByAcl } from './xattrs.js';

/** On whose behalf something is asked of which state. */
interface Asking {
  store: Store;
  who: Credentials;
}

export const ModeBit = {
  SETUID: 0o4000,
  SETGID: 0o2000,
  STICKY: 0o1000,
  GROUP: 0o070,
  GROUP_EXECUTE: 0o010,
  ANY_EXECUTE: 0o111,
  PERMISSIONS: 0o7777,
} as const;

export const isRoot = (who: Credentials): boolean => who.uid === 0;

/** inode_owner_or_capable */
export const isOwnerOrRoot = (who: Credentials, node: InodeRow): boolean => who.uid === node.uid || isRoot(who);

/** generic_permission: whether all of `access` (Access bits) is granted. */
export function isPermitted({ store, who }: Asking, node: InodeRow, access: number): boolean {
  if (isRoot(who)) {
    return (access & Access.EXECUTE) === 0 || isDirectory(node.mode) || (node.mode & ModeBit.ANY_EXECUTE) !== 0;
  }
  if (who.uid === node.uid) return (access & ~(node.mode >> 6) & 7) === 0;
  // acl_permission_check: the mode's group bits are the list's mask; without any, nobody looks at the list.
  const byAcl = (node.mode & ModeBit.GROUP) === 0 ? undefined : grantedByAcl(store, who, node, access);
  if (byAcl !== undefined) return byAcl;
  const granted = isInGroup(who, node.gid) ? node.mode >> 3 : node.mode;
  return (access & ~granted & 7) === 0;
}

/**
 * For calls on files opened before: their permission was checked at OPEN, which may have been at their creation with a
 * mode that grants nothing. As an NFS server cannot tell (nfsd's NFSD_MAY_OWNER_OVERRIDE), the owner always may.
 */
export const isPermittedOnOpenFile = (asking: Asking, node: InodeRow, access: number): boolean =>
  asking.who.uid === node.uid || isPermitted(asking, node, access);

/** Whether the sticky bit of `directory` keeps `who` from removing `victim` from it. */
export const isStuck = (who: Credentials, directory: InodeRow, victim: InodeRow): boolean =>
  (directory.mode & ModeBit.STICKY) !== 0 && !isRoot(who) && who.uid !== victim.uid && who.uid !== directory.uid;

/**
 * The mode of a non-directory after it was written to, cut or given away: suid goes, and so does sgid where it means
 * privilege (the group may execute) or the caller is not of the group (setattr_should_drop_suidgid).
 */
export function withoutPrivileges(who: Credentials, node: InodeRow): number {
  let mode = node.mode & ~ModeBit.SETUID;
  const mayKeep = isRoot(who) || isInGroup(who, node.gid);
  if ((mode & ModeBit.GROUP_EXECUTE) !== 0 || !mayKeep) mode &= ~ModeBit.SETGID;
  return mode;
}
