/** Operations that take names away, and what keeps a nameless file alive. */
import { Errno } from '../../../src/fileservice/errno.js';
import type { OperationOf } from '../../../src/fileservice/operations.js';
import type { Results } from '../../../src/fileservice/results.js';
import {
  attributes,
  type Call,
  dropDirectory,
  dropLink,
  enterDirectory,
  findNode,
  inode,
  isDot,
  isDotDot,
  isFailure,
  nameError,
  removalError,
  removeEntry,
} from '../nodes.js';
import { dropReference } from './leases.js';

export function unlink(call: Call, o: OperationOf<'unlink'>): Results['unlink'] | Errno {
  const directory = enterDirectory(call, o.parent);
  if (isFailure(directory)) return directory;
  if (isDot(o.name) || isDotDot(o.name)) return Errno.EISDIR;
  const wrong = nameError(o.name);
  if (wrong !== undefined) return wrong;
  const entry = call.store.dentries.find(directory.ino, o.name);
  if (entry === undefined) return Errno.ENOENT;
  const victim = inode(call.store, entry.child);
  const refused = removalError(call, directory, victim, false);
  if (refused !== undefined) return refused;
  const parent = removeEntry(call, directory, entry, victim);
  return { errno: 0, node: attributes(dropLink(call, victim, o.retain, directory)), parent: attributes(parent) };
}

export function rmdir(call: Call, o: OperationOf<'rmdir'>): Results['rmdir'] | Errno {
  const directory = enterDirectory(call, o.parent);
  if (isFailure(directory)) return directory;
  if (isDot(o.name)) return Errno.EINVAL;
  if (isDotDot(o.name)) return Errno.ENOTEMPTY;
  const wrong = nameError(o.name);
  if (wrong !== undefined) return wrong;
  const entry = call.store.dentries.find(directory.ino, o.name);
  if (entry === undefined) return Errno.ENOENT;
  const victim = inode(call.store, entry.child);
  const refused = removalError(call, directory, victim, true);
  if (refused !== undefined) return refused;
  if (victim.entries > 0) return Errno.ENOTEMPTY;
  const parent = removeEntry(call, directory, entry, victim);
  dropDirectory(call, victim);
  return { errno: 0, parent: attributes(parent) };
}

/** Dropping a reference that is not held does nothing: a client may say so once too often. */
export function release(call: Call, o: OperationOf<'release'>): Results['release'] | Errno {
  const node = findNode(call, o.node);
  if (isFailure(node)) return node;
  dropReference(call.store, call.session, node.ino);
  return { errno: 0 };
}
