/** SETATTR: chmod, chown, truncate and utimes, with the rules of Linux's setattr_prepare and may_setattr. */
import { Errno } from '../../../src/fileservice/errno.js';
import { Access, type OperationOf } from '../../../src/fileservice/operations.js';
import type { Results } from '../../../src/fileservice/results.js';
import { FileLimits, FileType, isDirectory, isInGroup, isRegular, isSymlink } from '../../../src/fileservice/types.js';
import { attributes, type Call, findNode, isFailure, update } from '../nodes.js';
import {
  isOwnerOrRoot,
  isPermitted,
  isPermittedOnOpenFile,
  isRoot,
  ModeBit,
  withoutPrivileges,
} from '../permissions.js';
import type { InodeRow } from '../rows.js';
import { aclFollowsMode, withoutCapability } from '../xattrs.js';
import { truncate } from './data.js';

type Setattr = OperationOf<'setattr'>;

export function setattr(call: Call, o: Setattr): Results['setattr'] | Errno {
  const node = findNode(call, o.node);
  if (isFailure(node)) return node;
  const refused =
    contentError(call, node, o) ?? ownerError(call, node, o) ?? modeError(call, node, o) ?? timesError(call, node, o);
  if (refused !== undefined) return refused;
  const after =
    o.size !== undefined
      ? truncate(call, node, o.size, o.killPrivileges, () => changes(call, node, o))
      : unlessNothing(call, node, changes(call, node, o));
  return isFailure(after) ? after : { errno: 0, attributes: attributes(after) };
}

const unlessNothing = (call: Call, node: InodeRow, changed: Partial<InodeRow>): InodeRow =>
  Object.keys(changed).length > 0 ? update(call, node, changed) : node;

function contentError(call: Call, node: InodeRow, { size, killPrivileges }: Setattr): Errno | undefined {
  if (size === undefined) {
    // To take a program's privileges is what writing to it does: it takes the same permission.
    return !killPrivileges || isPermittedOnOpenFile(call, node, Access.WRITE) ? undefined : Errno.EACCES;
  }
  if (!isRegular(node.mode)) return isDirectory(node.mode) ? Errno.EISDIR : Errno.EINVAL;
  if (!isPermittedOnOpenFile(call, node, Access.WRITE)) return Errno.EACCES;
  return size > FileLimits.fileBytes ? Errno.EFBIG : undefined;
}

/** chown_ok and chgrp_ok: only root gives a file away; its owner may give it to a group of theirs. */
function ownerError({ who }: Call, node: InodeRow, { uid, gid }: Setattr): Errno | undefined {
  if (isRoot(who)) return undefined;
  const isOwner = who.uid === node.uid;
  if (uid !== undefined && !(isOwner && uid === node.uid)) return Errno.EPERM;
  if (gid !== undefined && !(isOwner && (gid === node.gid || isInGroup(who, gid)))) return Errno.EPERM;
  return undefined;
}

function modeError({ who }: Call, node: InodeRow, { mode }: Setattr): Errno | undefined {
  if (mode === undefined) return undefined;
  if (!isOwnerOrRoot(who, node)) return Errno.EPERM;
  return isSymlink(node.mode) ? Errno.EOPNOTSUPP : undefined;
}

/** Both times to now takes write permission; everything else takes ownership; a truncation sets mtime by itself. */
function timesError(call: Call, node: InodeRow, { atime, mtime, size }: Setattr): Errno | undefined {
  if (atime === undefined && (mtime === undefined || (mtime === 'now' && size !== undefined))) return undefined;
  if (isOwnerOrRoot(call.who, node)) return undefined;
  if (atime !== 'now' || mtime !== 'now') return Errno.EPERM;
  return isPermitted(call, node, Access.WRITE) ? undefined : Errno.EACCES;
}

/** What changes of the inode; what changes beside it has changed then, so that nothing may fail any more. */
function changes(call: Call, node: InodeRow, o: Setattr): Partial<InodeRow> {
  const changed: Partial<InodeRow> = {};
  if (o.uid !== undefined) changed.uid = o.uid;
  if (o.gid !== undefined) changed.gid = o.gid;
  const givenAway = o.uid !== undefined || o.gid !== undefined;
  if ((givenAway || o.killPrivileges) && !isDirectory(node.mode)) {
    changed.mode = withoutPrivileges(call.who, node);
    Object.assign(changed, withoutCapability(call.store, node));
  }
  if (o.mode !== undefined) {
    changed.mode = newMode(call, node, o.mode, o.gid ?? node.gid);
    Object.assign(changed, aclFollowsMode(call.store, { ...node, ...changed }, changed.mode));
  }
  if (o.atime !== undefined) changed.atime = o.atime === 'now' ? call.now : o.atime;
  if (o.mtime !== undefined) changed.mtime = o.mtime === 'now' ? call.now : o.mtime;
  return changed;
}

/** Only a member of the file's group may mark it setgid. */
function newMode({ who }: Call, node: InodeRow, mode: number, gid: number): number {
  const permissions = mode & ModeBit.PERMISSIONS;
  const mayMark = isRoot(who) || isInGroup(who, gid);
  return (node.mode & FileType.MASK) | (mayMark ? permissions : permissions & ~ModeBit.SETGID);
}
