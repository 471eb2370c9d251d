/** LOCK and TESTLOCK: advisory locks that all mounts share. Nobody waits here: who is refused asks again. */
import { Errno } from '../../../src/fileservice/errno.js';
import { Access, type OperationOf } from '../../../src/fileservice/operations.js';
import type { Results } from '../../../src/fileservice/results.js';
import { FileLimits } from '../../../src/fileservice/types.js';
import { conflicting, placed, sameSession } from '../lock-ranges.js';
import { attributes, type Call, findNode, isFailure } from '../nodes.js';
import { isPermittedOnOpenFile } from '../permissions.js';
import type { InodeRow } from '../rows.js';

/** The kernel lets nobody lock but through an open file; here whoever could have opened it may. */
function mayLock(call: Call, node: InodeRow): boolean {
  return isPermittedOnOpenFile(call, node, Access.READ) || isPermittedOnOpenFile(call, node, Access.WRITE);
}

export function lock(call: Call, { node: handle, lock: wanted }: OperationOf<'lock'>): Results['lock'] | Errno {
  const { store, session, now } = call;
  const node = findNode(call, handle);
  if (isFailure(node)) return node;
  if (!mayLock(call, node)) return Errno.EACCES;
  const held = store.locks.get(node.ino)?.locks ?? [];
  const inTheWay = conflicting(held, session, wanted);
  if (inTheWay === undefined) {
    const locks = placed(held, session, wanted);
    // Dropping the middle of a range makes two of one, and may not fail for that: posix_lock_inode says ENOLCK too.
    if (locks.length > FileLimits.locksPerFile) return Errno.ENOLCK;
    store.locks.set({ ino: node.ino, locks });
    store.leases.hold(session, now);
    return { errno: 0, attributes: attributes(node) };
  }
  // Who changes the type of a flock drops the old one first, and so has none if it does not get the new (flock(2)).
  if (wanted.kind === 'flock') {
    store.locks.set({ ino: node.ino, locks: placed(held, session, { ...wanted, type: 'unlock' }) });
  }
  return Errno.EAGAIN;
}

export function testlock(call: Call, o: OperationOf<'testlock'>): Results['testlock'] | Errno {
  const { store, session } = call;
  const node = findNode(call, o.node);
  if (isFailure(node)) return node;
  if (!mayLock(call, node)) return Errno.EACCES;
  const inTheWay = conflicting(store.locks.get(node.ino)?.locks ?? [], session, o.lock);
  if (inTheWay === undefined) return { errno: 0 };
  const { type, start, end, pid } = inTheWay;
  return { errno: 0, conflict: { type, start, end, pid: sameSession(inTheWay.session, session) ? pid : 0 } };
}
