/**
 * Leases: what a session holds, locks and files without names, it holds as long as it says now and then that it lives
 * (RFC 8881 §8.3). Time is agreed time, and only while the service gets on: nobody can renew while it does not.
 */
import { Errno } from '../../../src/fileservice/errno.js';
import type { OperationOf } from '../../../src/fileservice/operations.js';
import type { Results } from '../../../src/fileservice/results.js';
import { FileLimits, LEASE_SECONDS, RENEWAL_SECONDS, type Time } from '../../../src/fileservice/types.js';
import type { SessionId } from '../../../src/pbft/messages.js';
import { sameSession } from '../lock-ranges.js';
import { type Call, freeInode, inode } from '../nodes.js';
import type { Store } from '../store.js';
import { ENDED } from '../tables/leases.js';

/** No call for so long: with a session that lives there would have been a renewal, had the service been able to. */
const OUTAGE_SECONDS = 1.5 * RENEWAL_SECONDS;

/** References that one call drops at most for a lease that has run out. */
const DROPPED_AT_ONCE = 64;

/** Before any call is executed: ends what sessions hold whose leases have run out. */
export function expireLeases(store: Store, now: Time): void {
  const leases = store.leases.all();
  const runOut = now.seconds - LEASE_SECONDS;
  if (leases.every(({ renewed }) => renewed >= runOut)) return;
  // After an outage everyone who lives has the time that renewing takes.
  const outage = now.seconds - store.header.row.clock.seconds > OUTAGE_SECONDS;
  for (const lease of leases) {
    if (lease.renewed >= runOut) continue;
    if (outage) store.leases.set({ ...lease, renewed: runOut + OUTAGE_SECONDS });
    else endHoldings(store, lease.session);
  }
}

export function renew(call: Call, o: OperationOf<'renew'>): Results['renew'] | Errno {
  const { store, session, now } = call;
  if (o.claimed.length > FileLimits.inosInRenewal || o.released.length > FileLimits.inosInRenewal) return Errno.EINVAL;
  const lapsed = !(store.leases.find(session)?.announced ?? false);
  store.leases.set({ session, renewed: now.seconds, announced: true });
  for (const ino of o.claimed) if (store.orphans.has(session, ino)) store.orphans.add(session, ino, true);
  for (const ino of o.released) dropReference(store, session, ino);
  const unclaimed = store.orphans.first(session, FileLimits.inosInRenewal, true);
  return { errno: 0, lapsed, unclaimed: unclaimed.map(({ ino }) => ino) };
}

/** Lets go of a nameless inode, if it is kept for the session; with its last reference it is freed. */
export function dropReference(store: Store, session: SessionId, ino: number): void {
  if (!store.orphans.has(session, ino)) return;
  store.orphans.unset(session, ino);
  // Whatever is kept is kept for one who has a lease.
  if (!store.leases.all().some((lease) => store.orphans.has(lease.session, ino))) freeInode(store, inode(store, ino));
}

/**
 * Ends all that the session holds, and its lease; where it keeps many files, some with each call, of whomever, that
 * follows: nobody is to wait for the last of a hundred thousand.
 */
export function endHoldings(store: Store, session: SessionId): void {
  for (const { ino, locks } of store.locks.ofSession(session)) {
    store.locks.set({ ino, locks: locks.filter((lock) => !sameSession(lock.session, session)) });
  }
  for (const { ino } of store.orphans.first(session, DROPPED_AT_ONCE, false)) dropReference(store, session, ino);
  if (store.orphans.first(session, 1, false).length === 0) store.leases.unset(session);
  else store.leases.set({ session, renewed: ENDED, announced: false });
}
