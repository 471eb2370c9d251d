/** Operations that give names: to new nodes, and further ones to old. */
import { Errno } from '../../../src/fileservice/errno.js';
import { Access, type OperationOf } from '../../../src/fileservice/operations.js';
import type { NodeResult, Results } from '../../../src/fileservice/results.js';
import { FileLimits, FileType, isDirectory, isInGroup, isRegular } from '../../../src/fileservice/types.js';
import { ACCESS_ACL, DEFAULT_ACL } from '../../../src/fileservice/xattr-names.js';
import { encodeAcl, inheritedAcl, modeOfAcl } from '../acl.js';
import { CONFINED_LINKS } from '../confinement.js';
import {
  addEntry,
  attributes,
  type Call,
  enterDirectory,
  findNode,
  inode,
  isDot,
  isDotDot,
  isFailure,
  makeInode,
  mayAdd,
  nameError,
  update,
} from '../nodes.js';
import { isPermitted, isRoot, ModeBit } from '../permissions.js';
import type { InodeRow } from '../rows.js';
import { payerOf, spaceError } from '../space.js';
import { aclOf, changeXattr, xattrCharge } from '../xattrs.js';
import { truncate } from './data.js';

const NUL = 0;

/**
 * The directory in which `name` may be added, in the order of Linux's filename_create and may_create: search, the
 * name, EEXIST, and only then write permission.
 */
function vacancy(call: Call, o: { parent: OperationOf<'mkdir'>['parent']; name: Uint8Array }): InodeRow | Errno {
  const directory = enterDirectory(call, o.parent);
  if (isFailure(directory)) return directory;
  if (isDot(o.name) || isDotDot(o.name)) return Errno.EEXIST;
  const wrong = nameError(o.name);
  if (wrong !== undefined) return wrong;
  if (call.store.dentries.find(directory.ino, o.name) !== undefined) return Errno.EEXIST;
  return mayAdd(call, directory) ? directory : Errno.EACCES;
}

/** inode_init_owner: a setgid directory hands its group down, and to directories the bit itself. */
function inherited(call: Call, directory: InodeRow, mode: number): { mode: number; gid: number } {
  if ((directory.mode & ModeBit.SETGID) === 0) return { mode, gid: call.who.gid };
  const { gid } = directory;
  if (isDirectory(mode)) return { mode: mode | ModeBit.SETGID, gid };
  const privileged = (mode & (ModeBit.SETGID | ModeBit.GROUP_EXECUTE)) === (ModeBit.SETGID | ModeBit.GROUP_EXECUTE);
  const mayKeep = isRoot(call.who) || isInGroup(call.who, gid);
  return { mode: privileged && !mayKeep ? mode & ~ModeBit.SETGID : mode, gid };
}

/** A list that a new inode has, by the name of its attribute. */
type Lists = [name: string, value: Buffer][];

/** posix_acl_create: a directory's default list says what is granted at most; where there is none, the umask does. */
function withLists({ store }: Call, directory: InodeRow, mode: number, umask: number): { mode: number; lists: Lists } {
  const defaults = aclOf(store, directory, DEFAULT_ACL);
  if (defaults === undefined) return { mode: mode & ~(umask & 0o777), lists: [] };
  const acl = inheritedAcl(defaults, mode);
  const shown = modeOfAcl(acl);
  const lists: Lists = shown.equivalent ? [] : [[ACCESS_ACL, encodeAcl(acl)]];
  if (isDirectory(mode)) lists.push([DEFAULT_ACL, encodeAcl(defaults)]);
  return { mode: (mode & ~0o777) | shown.mode, lists };
}

/** @param umask undefined: the mode is not of anyone's choice */
function addNode(
  call: Call,
  directory: InodeRow,
  name: Uint8Array,
  mode: number,
  umask: number | undefined,
  fields: Partial<InodeRow> = {},
): NodeResult | Errno {
  const { store } = call;
  const owned = inherited(call, directory, mode);
  const granted = umask === undefined ? { ...owned, lists: [] } : withLists(call, directory, owned.mode, umask);
  const { lists } = granted;
  const bytes = lists.reduce((sum, [list, value]) => sum + xattrCharge(list, value), 0);
  const full = spaceError(store, { payer: payerOf(call) }, bytes);
  if (full !== undefined) return full;
  let node = makeInode(call, { ...fields, gid: owned.gid, mode: granted.mode });
  if (isFailure(node)) return node;
  for (const [list, value] of lists) node = { ...node, ...changeXattr(store, node, list, value) };
  if (lists.length > 0) store.inodes.put(node.ino, node);
  const parent = addEntry(call, directory, name, node);
  return { errno: 0, attributes: attributes(node), parent: attributes(parent) };
}

/**
 * Finding something else than a file or a directory there is answered ESTALE: the caller had thought the name free,
 * and Linux then walks the path again, which follows the symbolic link or opens the device.
 */
export function create(call: Call, o: OperationOf<'create'>): Results['create'] | Errno {
  const directory = enterDirectory(call, o.parent);
  if (isFailure(directory)) return directory;
  if (isDot(o.name) || isDotDot(o.name)) return o.exclusive ? Errno.EEXIST : Errno.EISDIR;
  const wrong = nameError(o.name);
  if (wrong !== undefined) return wrong;
  const entry = call.store.dentries.find(directory.ino, o.name);
  if (entry !== undefined) return openExisting(call, o, directory, inode(call.store, entry.child));
  if (!mayAdd(call, directory)) return Errno.EACCES;
  const made = addNode(call, directory, o.name, (o.mode & ModeBit.PERMISSIONS) | FileType.REGULAR, o.umask ?? 0);
  return typeof made === 'number' ? made : { ...made, created: true };
}

function openExisting(
  call: Call,
  o: OperationOf<'create'>,
  directory: InodeRow,
  node: InodeRow,
): Results['create'] | Errno {
  if (o.exclusive) return Errno.EEXIST;
  if (isDirectory(node.mode)) return Errno.EISDIR;
  if (!isRegular(node.mode)) return Errno.ESTALE;
  if (!isPermitted(call, node, o.access | (o.truncate ? Access.WRITE : 0))) return Errno.EACCES;
  const opened = o.truncate ? truncate(call, node, 0) : node;
  // Cutting a file to nothing frees space; it cannot fail.
  if (isFailure(opened)) return opened;
  return { errno: 0, attributes: attributes(opened), parent: attributes(directory), created: false };
}

export function mkdir(call: Call, o: OperationOf<'mkdir'>): Results['mkdir'] | Errno {
  const directory = vacancy(call, o);
  if (isFailure(directory)) return directory;
  const mode = (o.mode & (0o777 | ModeBit.STICKY)) | FileType.DIRECTORY;
  return addNode(call, directory, o.name, mode, o.umask ?? 0, { parent: directory.ino });
}

const NODE_TYPES: ReadonlySet<number> = new Set([
  FileType.REGULAR,
  FileType.FIFO,
  FileType.SOCKET,
  FileType.CHARACTER,
  FileType.BLOCK,
]);

export function mknod(call: Call, o: OperationOf<'mknod'>): Results['mknod'] | Errno {
  const type = o.mode & FileType.MASK || FileType.REGULAR;
  if (type === FileType.DIRECTORY) return Errno.EPERM;
  if (!NODE_TYPES.has(type)) return Errno.EINVAL;
  const directory = vacancy(call, o);
  if (isFailure(directory)) return directory;
  const isDevice = type === FileType.CHARACTER || type === FileType.BLOCK;
  if (isDevice && !isRoot(call.who)) return Errno.EPERM;
  const mode = (o.mode & ModeBit.PERMISSIONS) | type;
  return addNode(call, directory, o.name, mode, o.umask ?? 0, isDevice ? { rdev: o.rdev } : {});
}

export function symlink(call: Call, o: OperationOf<'symlink'>): Results['symlink'] | Errno {
  if (o.target.length === 0) return Errno.ENOENT;
  if (o.target.length > FileLimits.targetBytes) return Errno.ENAMETOOLONG;
  if (o.target.includes(NUL)) return Errno.EINVAL;
  const directory = vacancy(call, o);
  if (isFailure(directory)) return directory;
  const made = addNode(call, directory, o.name, 0o777 | FileType.SYMLINK, undefined, { size: o.target.length });
  if (typeof made === 'number') return made;
  const { ino } = made.attributes;
  call.store.targets.insert(ino, { ino, path: Buffer.from(o.target) });
  return made;
}

export function link(call: Call, o: OperationOf<'link'>): Results['link'] | Errno {
  const node = findNode(call, o.node);
  if (isFailure(node)) return node;
  const directory = vacancy(call, o);
  if (isFailure(directory)) return directory;
  if (isDirectory(node.mode)) return Errno.EPERM;
  if (node.nlink === 0) return Errno.ENOENT;
  // One more and it would be out of reach of whoever is confined.
  const links = call.client.rights.subtree === undefined ? FileLimits.links : CONFINED_LINKS;
  if (node.nlink >= links) return Errno.EMLINK;
  const linked = update(call, node, { nlink: node.nlink + 1 });
  const parent = addEntry(call, directory, o.name, linked);
  return { errno: 0, attributes: attributes(linked), parent: attributes(parent) };
}
