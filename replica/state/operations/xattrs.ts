/** GETXATTR, LISTXATTR, SETXATTR and REMOVEXATTR, with the rules of Linux's fs/xattr.c and security/commoncap.c. */
import { Errno } from '../../../src/fileservice/errno.js';
import { Access, type OperationOf, XattrFlag } from '../../../src/fileservice/operations.js';
import type { Results } from '../../../src/fileservice/results.js';
import { FileLimits, isDirectory, isInGroup, isRegular, isSymlink } from '../../../src/fileservice/types.js';
import { DEFAULT_ACL, isAclName, xattrNameError } from '../../../src/fileservice/xattr-names.js';
import { encodeAcl, isValidAcl, modeOfAcl, parseAcl } from '../acl.js';
import { attributes, type Call, findNode, isFailure, update } from '../nodes.js';
import { isOwnerOrRoot, isPermitted, isPermittedOnOpenFile, isRoot, ModeBit } from '../permissions.js';
import type { InodeRow } from '../rows.js';
import { spaceError } from '../space.js';
import { bytesAdded, CAPABILITY, changeXattr, xattrOf } from '../xattrs.js';

const textOf = (name: Uint8Array): string => Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1');

/** xattr_permission for reading. */
function readError(call: Call, node: InodeRow, name: string): Errno | undefined {
  if (name.startsWith('trusted.')) return isRoot(call.who) ? undefined : Errno.ENODATA;
  if (!name.startsWith('user.')) return undefined;
  if (!isRegular(node.mode) && !isDirectory(node.mode)) return Errno.ENODATA;
  return isPermitted(call, node, Access.READ) ? undefined : Errno.EACCES;
}

/** xattr_permission for writing, cap_inode_setxattr, and set_posix_acl's own checks. */
function writeError(call: Call, node: InodeRow, name: string): Errno | undefined {
  const { who } = call;
  if (isAclName(name)) {
    if (isSymlink(node.mode)) return Errno.EOPNOTSUPP;
    return isOwnerOrRoot(who, node) ? undefined : Errno.EPERM;
  }
  if (!name.startsWith('user.')) return isRoot(who) ? undefined : Errno.EPERM;
  if (!isRegular(node.mode) && !isDirectory(node.mode)) return Errno.EPERM;
  const isSticky = isDirectory(node.mode) && (node.mode & ModeBit.STICKY) !== 0;
  if (isSticky && !isOwnerOrRoot(who, node)) return Errno.EPERM;
  return isPermitted(call, node, Access.WRITE) ? undefined : Errno.EACCES;
}

/** The kernel removes a capability on behalf of whoever writes to the file or gives it away (cap_inode_killpriv). */
const removalError = (call: Call, node: InodeRow, name: string): Errno | undefined =>
  name === CAPABILITY && isPermittedOnOpenFile(call, node, Access.WRITE) ? undefined : writeError(call, node, name);

export function getxattr(call: Call, o: OperationOf<'getxattr'>): Results['getxattr'] | Errno {
  const node = findNode(call, o.node);
  if (isFailure(node)) return node;
  const name = textOf(o.name);
  const refused = xattrNameError(name) ?? readError(call, node, name);
  if (refused !== undefined) return refused;
  const value = xattrOf(call.store, node, name);
  return value === undefined ? Errno.ENODATA : { errno: 0, value };
}

export function listxattr(call: Call, o: OperationOf<'listxattr'>): Results['listxattr'] | Errno {
  const node = findNode(call, o.node);
  if (isFailure(node)) return node;
  if (node.xattrBytes === 0) return { errno: 0, names: [] };
  const names = call.store.xattrs.list(node.ino).map(({ name }) => name);
  const visible = names.filter((name) => isRoot(call.who) || !name.startsWith('trusted.'));
  return { errno: 0, names: visible.map((name) => Buffer.from(name, 'latin1')) };
}

export function setxattr(call: Call, o: OperationOf<'setxattr'>): Results['setxattr'] | Errno {
  const node = findNode(call, o.node);
  if (isFailure(node)) return node;
  const { CREATE, REPLACE } = XattrFlag;
  if ((o.flags & ~(CREATE | REPLACE)) !== 0) return Errno.EINVAL;
  const name = textOf(o.name);
  const refused = xattrNameError(name) ?? writeError(call, node, name);
  if (refused !== undefined) return refused;
  // Lists are set whether or not there is one (vfs_set_acl has no flags).
  if (isAclName(name)) return setAcl(call, node, name, o.value);
  const isThere = xattrOf(call.store, node, name) !== undefined;
  if ((o.flags & CREATE) !== 0 && isThere) return Errno.EEXIST;
  if ((o.flags & REPLACE) !== 0 && !isThere) return Errno.ENODATA;
  return store(call, node, name, o.value);
}

/** Stores it, if there is room, or with no value drops it, with what else changes. */
function store(
  call: Call,
  node: InodeRow,
  name: string,
  value: Uint8Array | undefined,
  changed: Partial<InodeRow> = {},
): Results['setxattr'] | Errno {
  const bytes = bytesAdded(call.store, node, name, value);
  if (bytes > 0 && node.xattrBytes + bytes > FileLimits.xattrsBytes) return Errno.ENOSPC;
  const full = spaceError(call.store, node, bytes);
  if (full !== undefined) return full;
  const next = update(call, node, { ...changed, ...changeXattr(call.store, node, name, value) });
  return { errno: 0, attributes: attributes(next) };
}

function setAcl(call: Call, node: InodeRow, name: string, value: Uint8Array): Results['setxattr'] | Errno {
  if (value.length > FileLimits.aclBytes) return Errno.E2BIG;
  const acl = parseAcl(value);
  if (acl === undefined) return Errno.EINVAL;
  if (acl.length === 0) return removeAcl(call, node, name);
  if (name === DEFAULT_ACL && !isDirectory(node.mode)) return Errno.EACCES;
  if (!isValidAcl(acl)) return Errno.EINVAL;
  if (name === DEFAULT_ACL) return store(call, node, name, encodeAcl(acl));
  // posix_acl_update_mode: the mode shows the list, and is all there is of it where it says the same.
  const { mode, equivalent } = modeOfAcl(acl);
  const mayKeepSetgid = isRoot(call.who) || isInGroup(call.who, node.gid);
  const kept = node.mode & ~0o777 & (mayKeepSetgid ? ~0 : ~ModeBit.SETGID);
  return store(call, node, name, equivalent ? undefined : encodeAcl(acl), { mode: kept | mode });
}

/** The mode stays as it is. To take away a list that is not there is no failure. */
function removeAcl(call: Call, node: InodeRow, name: string): Results['setxattr'] | Errno {
  const isThere = xattrOf(call.store, node, name) !== undefined;
  return isThere ? store(call, node, name, undefined) : { errno: 0, attributes: attributes(node) };
}

export function removexattr(call: Call, o: OperationOf<'removexattr'>): Results['removexattr'] | Errno {
  const node = findNode(call, o.node);
  if (isFailure(node)) return node;
  const name = textOf(o.name);
  const refused = xattrNameError(name) ?? removalError(call, node, name);
  if (refused !== undefined) return refused;
  if (isAclName(name)) return removeAcl(call, node, name);
  return xattrOf(call.store, node, name) === undefined ? Errno.ENODATA : store(call, node, name, undefined);
}
