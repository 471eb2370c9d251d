/** The locks of one file, as ranges: what is in the way of what, and what comes of taking and dropping (fs/locks.c). */
import type { LockKind, LockRange, LockRequest } from '../../src/fileservice/locks.js';
import type { SessionId } from '../../src/pbft/messages.js';

export interface HeldLock extends LockRange {
  kind: LockKind;
  type: 'read' | 'write';
  session: SessionId;
  /** As in LockRequest. */
  owner: string;
  pid: number;
}

export const sameSession = (a: SessionId, b: SessionId): boolean => a.client === b.client && a.instance === b.instance;

const isOf = (held: HeldLock, session: SessionId, { kind, owner }: LockRequest): boolean =>
  held.kind === kind && held.owner === owner && sameSession(held.session, session);

const overlap = (a: LockRange, b: LockRange): boolean => a.start <= b.end && b.start <= a.end;

/** The first lock that `wanted` cannot be held beside. */
export function conflicting(locks: readonly HeldLock[], session: SessionId, wanted: LockRequest): HeldLock | undefined {
  if (wanted.type === 'unlock') return undefined;
  return locks.find(
    (held) =>
      held.kind === wanted.kind &&
      overlap(held, wanted) &&
      (held.type === 'write' || wanted.type === 'write') &&
      !isOf(held, session, wanted),
  );
}

/**
 * The locks after the owner's bytes in the range are as wanted: what it held there is gone, cut or split, and what then
 * touches a lock of its own of the same type is one with it (posix_lock_inode). Nothing may be in the way.
 */
export function placed(locks: readonly HeldLock[], session: SessionId, wanted: LockRequest): HeldLock[] {
  const { kind, type, owner, pid } = wanted;
  const result: HeldLock[] = [];
  let { start, end } = wanted;
  for (const held of locks) {
    if (!isOf(held, session, wanted)) {
      result.push(held);
    } else if (held.type === type && held.start <= end + 1 && start <= held.end + 1) {
      start = Math.min(start, held.start);
      end = Math.max(end, held.end);
    } else {
      result.push(...without(held, wanted));
    }
  }
  if (type !== 'unlock') result.push({ kind, type, start, end, session, owner, pid });
  return result.sort(inOrder);
}

/** What is left of a lock outside of a range. */
function without(held: HeldLock, { start, end }: LockRange): HeldLock[] {
  if (!overlap(held, { start, end })) return [held];
  const left: HeldLock[] = [];
  if (held.start < start) left.push({ ...held, end: start - 1 });
  if (held.end > end) left.push({ ...held, start: end + 1 });
  return left;
}

/** One owner's locks of one kind never overlap, so no two are equal. */
function inOrder(a: HeldLock, b: HeldLock): number {
  return (
    a.start - b.start ||
    a.end - b.end ||
    Number(a.kind > b.kind) - Number(a.kind < b.kind) ||
    a.session.client - b.session.client ||
    a.session.instance - b.session.instance ||
    Number(a.owner > b.owner) - Number(a.owner < b.owner)
  );
}
