/** GETXATTR, LISTXATTR, SETXATTR and REMOVEXATTR, with the rules of Linux's fs/xattr.c and security/commoncap.c. */
import { Errno } from '../../../src/fileservice/errno.js';
import { Access, type OperationOf, XattrFlag } from '../../../src/fileservice/operations.js';
import type { Results } from '../../../src/fileservice/results.js';
import { FileLimits, isDirectory, isInGroup, isRegular, isSymlink } from '../../../src/fileservice/types.js';
import { ACCESS_ACL, DEFAULT_ACL, encodeAcl, isValidAcl, modeOfAcl, parseAcl } from '../acl.js';
import { attributes, type Call, findNode, isFailure, update } from '../nodes.js';
import { isOwnerOrRoot, isPermitted, isRoot, ModeBit } from '../permissions.js';
import type { InodeRow } from '../rows.js';
import { hasRoom } from '../space.js';
import { CAPABILITY, changeXattr, xattrCharge, xattrOf } from '../xattrs.js';

const isAcl = (name: string): boolean => name === ACCESS_ACL || name === DEFAULT_ACL;

const textOf = (name: Uint8Array): string => Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1');

/** Of the name alone. */
function nameError(name: string): Errno | undefined {
  if (name.length > FileLimits.xattrNameBytes) return Errno.ERANGE;
  const [namespace, rest] = [name.slice(0, name.indexOf('.')), name.slice(name.indexOf('.') + 1)];
  if (name.includes('\0')) return Errno.EINVAL;
  if (isAcl(name)) return undefined;
  if (!name.includes('.') || !['user', 'trusted', 'security'].includes(namespace)) return Errno.EOPNOTSUPP;
  return rest === '' ? Errno.EINVAL : undefined;
}

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
  if (isAcl(name)) {
    if (isSymlink(node.mode)) return Errno.EOPNOTSUPP;
    return isOwnerOrRoot(who, node) ? undefined : Errno.EPERM;
  }
  if (!name.startsWith('user.')) return isRoot(who) ? undefined : Errno.EPERM;
  if (!isRegular(node.mode) && !isDirectory(node.mode)) return Errno.EPERM;
  const isSticky = isDirectory(node.mode) && (node.mode & ModeBit.STICKY) !== 0;
  if (isSticky && !isOwnerOrRoot(who, node)) return Errno.EPERM;
  return isPermitted(call, node, Access.WRITE) ? undefined : Errno.EACCES;
}

export function getxattr(call: Call, o: OperationOf<'getxattr'>): Results['getxattr'] | Errno {
  const node = findNode(call, o.node);
  if (isFailure(node)) return node;
  const name = textOf(o.name);
  const refused = nameError(name) ?? readError(call, node, name);
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
  const refused = nameError(name) ?? writeError(call, node, name);
  if (refused !== undefined) return refused;
  if (o.value.length > FileLimits.xattrBytes) return Errno.E2BIG;
  const before = xattrOf(call.store, node, name);
  if ((o.flags & CREATE) !== 0 && before !== undefined) return Errno.EEXIST;
  if ((o.flags & REPLACE) !== 0 && before === undefined) return Errno.ENODATA;
  if (name === ACCESS_ACL) return setAccessAcl(call, node, o.value);
  if (name === DEFAULT_ACL) return setDefaultAcl(call, node, o.value);
  if (name === CAPABILITY && !isRegular(node.mode)) return Errno.EPERM;
  return store(call, node, name, o.value);
}

/** Stores it, if there is room, with what else changes. */
function store(
  call: Call,
  node: InodeRow,
  name: string,
  value: Uint8Array | undefined,
  changed: Partial<InodeRow> = {},
): Results['setxattr'] | Errno {
  const before = xattrOf(call.store, node, name);
  const added =
    (value === undefined ? 0 : xattrCharge(name, value)) - (before === undefined ? 0 : xattrCharge(name, before));
  if (added > 0 && node.xattrBytes + added > FileLimits.xattrsBytes) return Errno.ENOSPC;
  if (!hasRoom(call.store, added)) return Errno.ENOSPC;
  const next = update(call, node, { ...changed, ...changeXattr(call.store, node, name, value) });
  return { errno: 0, attributes: attributes(next) };
}

/** posix_acl_update_mode: the mode shows the list, and is all there is of it where it says the same. */
function setAccessAcl(call: Call, node: InodeRow, value: Uint8Array): Results['setxattr'] | Errno {
  const acl = parseAcl(value);
  if (acl === undefined) return Errno.EINVAL;
  if (acl.length === 0) return store(call, node, ACCESS_ACL, undefined);
  if (!isValidAcl(acl)) return Errno.EINVAL;
  const { mode, equivalent } = modeOfAcl(acl);
  const mayKeepSetgid = isRoot(call.who) || isInGroup(call.who, node.gid);
  const kept = node.mode & ~0o777 & (mayKeepSetgid ? ~0 : ~ModeBit.SETGID);
  return store(call, node, ACCESS_ACL, equivalent ? undefined : encodeAcl(acl), { mode: kept | mode });
}

function setDefaultAcl(call: Call, node: InodeRow, value: Uint8Array): Results['setxattr'] | Errno {
  const acl = parseAcl(value);
  if (acl === undefined) return Errno.EINVAL;
  if (acl.length === 0) return store(call, node, DEFAULT_ACL, undefined);
  if (!isDirectory(node.mode)) return Errno.EACCES;
  return isValidAcl(acl) ? store(call, node, DEFAULT_ACL, encodeAcl(acl)) : Errno.EINVAL;
}

export function removexattr(call: Call, o: OperationOf<'removexattr'>): Results['removexattr'] | Errno {
  const node = findNode(call, o.node);
  if (isFailure(node)) return node;
  const name = textOf(o.name);
  const refused = nameError(name) ?? writeError(call, node, name);
  if (refused !== undefined) return refused;
  const isThere = xattrOf(call.store, node, name) !== undefined;
  // Taking away a list that is not there is no failure (posix_acl_xattr_set).
  if (!isThere) return isAcl(name) ? { errno: 0, attributes: attributes(node) } : Errno.ENODATA;
  return store(call, node, name, undefined);
}
