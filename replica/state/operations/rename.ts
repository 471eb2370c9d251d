/** RENAME, with the checks of Linux's do_renameat2 and vfs_rename in their order. */
import { Errno } from '../../../src/fileservice/errno.js';
import { Access, type OperationOf, RenameFlag } from '../../../src/fileservice/operations.js';
import type { Results } from '../../../src/fileservice/results.js';
import { isDirectory, ROOT_INO } from '../../../src/fileservice/types.js';
import {
  addEntry,
  attributes,
  type Call,
  dropDirectory,
  dropLink,
  enterDirectory,
  inode,
  isDot,
  isDotDot,
  isFailure,
  mayAdd,
  nameError,
  removalError,
  removeEntry,
  update,
} from '../nodes.js';
import { isPermitted } from '../permissions.js';
import type { DentryRow, InodeRow } from '../rows.js';
import type { Store } from '../store.js';

type Rename = OperationOf<'rename'>;

/** One side of the rename: an entry and what it is in and names. */
interface Side {
  directory: InodeRow;
  entry: DentryRow;
  node: InodeRow;
}

export function rename(call: Call, o: Rename): Results['rename'] | Errno {
  const { store } = call;
  const exchange = (o.flags & RenameFlag.EXCHANGE) !== 0;
  const noReplace = (o.flags & RenameFlag.NOREPLACE) !== 0;
  if ((o.flags & ~(RenameFlag.EXCHANGE | RenameFlag.NOREPLACE)) !== 0 || (exchange && noReplace)) return Errno.EINVAL;

  const directory = enterDirectory(call, o.parent);
  if (isFailure(directory)) return directory;
  const newDirectory = enterDirectory(call, o.newParent);
  if (isFailure(newDirectory)) return newDirectory;
  if (isDot(o.name) || isDotDot(o.name)) return Errno.EBUSY;
  if (isDot(o.newName) || isDotDot(o.newName)) return noReplace ? Errno.EEXIST : Errno.EBUSY;

  const wrong = nameError(o.name);
  if (wrong !== undefined) return wrong;
  const entry = store.dentries.find(directory.ino, o.name);
  if (entry === undefined) return Errno.ENOENT;
  const newWrong = nameError(o.newName);
  if (newWrong !== undefined) return newWrong;
  const newEntry = store.dentries.find(newDirectory.ino, o.newName);
  if (newEntry !== undefined && noReplace) return Errno.EEXIST;
  if (newEntry === undefined && exchange) return Errno.ENOENT;

  const source: Side = { directory, entry, node: inode(store, entry.child) };
  if (isWithin(store, newDirectory, source.node)) return Errno.EINVAL;
  if (newEntry === undefined) {
    const refused = moveError(call, source, newDirectory);
    if (refused !== undefined) return refused;
    return mayAdd(call, newDirectory) ? move(call, source, newDirectory, o.newName) : Errno.EACCES;
  }

  const target: Side = { directory: newDirectory, entry: newEntry, node: inode(store, newEntry.child) };
  if (isWithin(store, directory, target.node)) return exchange ? Errno.EINVAL : Errno.ENOTEMPTY;
  if (source.node.ino === target.node.ino) return unchanged(source, target);
  return exchange ? swap(call, source, target) : replace(call, source, target, o.retain);
}

/** Whether `directory` is `ancestor` or below it. */
function isWithin(store: Store, directory: InodeRow, ancestor: InodeRow): boolean {
  if (!isDirectory(ancestor.mode)) return false;
  let at = directory;
  while (at.ino !== ancestor.ino) {
    if (at.ino === ROOT_INO) return false;
    at = inode(store, at.parent);
  }
  return true;
}

/** Two names of one file: POSIX wants nothing done, and success. */
const unchanged = (source: Side, target: Side): Results['rename'] => ({
  errno: 0,
  node: attributes(source.node),
  parent: attributes(source.directory),
  newParent: attributes(target.directory),
});

/** Whether the source may leave its directory for another one. */
function moveError(call: Call, { directory, node }: Side, newDirectory: InodeRow): Errno | undefined {
  return (
    removalError(call, directory, node, isDirectory(node.mode)) ??
    parentChangeError(call, node, directory, newDirectory)
  );
}

/** A directory whose parent changes has its `..` changed: that takes write permission on it. */
function parentChangeError(call: Call, node: InodeRow, from: InodeRow, to: InodeRow): Errno | undefined {
  if (from.ino === to.ino || !isDirectory(node.mode)) return undefined;
  return isPermitted(call, node, Access.WRITE) ? undefined : Errno.EACCES;
}

const parentFields = (node: InodeRow, directory: InodeRow): Partial<InodeRow> =>
  isDirectory(node.mode) ? { parent: directory.ino } : {};

/** The directories as they are after both changes, which may have been of the same one. */
const moved = (store: Store, source: Side, node: InodeRow, newParent: number): Results['rename'] => ({
  errno: 0,
  node: attributes(node),
  parent: attributes(inode(store, source.directory.ino)),
  newParent: attributes(inode(store, newParent)),
});

function move(call: Call, source: Side, newDirectory: InodeRow, newName: Uint8Array): Results['rename'] {
  const { store } = call;
  removeEntry(call, source.directory, source.entry, source.node);
  const node = update(call, source.node, parentFields(source.node, newDirectory));
  addEntry(call, inode(store, newDirectory.ino), newName, node);
  return moved(store, source, node, newDirectory.ino);
}

/** The new name's entry stays, with its cookie, and names the source: a reader of the directory sees it exactly once. */
function replace(call: Call, source: Side, target: Side, retain: number): Results['rename'] | Errno {
  const { store } = call;
  const isDir = isDirectory(source.node.mode);
  const refused =
    removalError(call, source.directory, source.node, isDir) ??
    removalError(call, target.directory, target.node, isDir) ??
    parentChangeError(call, source.node, source.directory, target.directory);
  if (refused !== undefined) return refused;
  if (target.node.entries > 0) return Errno.ENOTEMPTY;

  removeEntry(call, source.directory, source.entry, source.node);
  const node = update(call, source.node, parentFields(source.node, target.directory));
  store.dentries.set({ ...target.entry, child: node.ino });
  update(call, inode(store, target.directory.ino), { mtime: call.now });
  const replaced = isDir ? dropDirectory(call, target.node) : dropLink(call, target.node, retain, target.directory);
  return { ...moved(store, source, node, target.directory.ino), replaced: attributes(replaced) };
}

function swap(call: Call, source: Side, target: Side): Results['rename'] | Errno {
  const { store } = call;
  const sourceIsDir = isDirectory(source.node.mode);
  const targetIsDir = isDirectory(target.node.mode);
  const refused =
    removalError(call, source.directory, source.node, sourceIsDir) ??
    removalError(call, target.directory, target.node, targetIsDir) ??
    parentChangeError(call, source.node, source.directory, target.directory) ??
    parentChangeError(call, target.node, target.directory, source.directory);
  if (refused !== undefined) return refused;

  store.dentries.set({ ...source.entry, child: target.node.ino });
  store.dentries.set({ ...target.entry, child: source.node.ino });
  const node = update(call, source.node, parentFields(source.node, target.directory));
  const replaced = update(call, target.node, parentFields(target.node, source.directory));
  const gained = (targetIsDir ? 1 : 0) - (sourceIsDir ? 1 : 0);
  const directory = update(call, source.directory, { mtime: call.now, nlink: source.directory.nlink + gained });
  // In one directory the two changes of nlink cancel each other.
  const newDirectory = target.directory.ino === directory.ino ? directory : target.directory;
  update(call, newDirectory, { mtime: call.now, nlink: newDirectory.nlink - gained });
  return { ...moved(store, source, node, target.directory.ino), replaced: attributes(replaced) };
}
