/**
 * What rights permit of a call: functions of rights, stated credentials and operation alone. Where in the tree a client
 * may go needs the rows (replica/state/confinement.ts).
 */
import { Access, isReadOnly, type Operation, type OperationName } from './operations.js';
import { type IdRange, isAny, isIn, type Rights } from './rights.js';
import type { Credentials, Handle } from './types.js';

/** Operations whose outcome does not depend on whose behalf they are asked on: a mount asks them of its own accord. */
const FOR_NOBODY: ReadonlySet<OperationName> = new Set([
  ...(['null', 'getattr', 'readlink', 'release', 'fsync', 'statfs', 'renew'] as const),
  ...(['clients', 'administer'] as const),
]);

/**
 * As whom the operation is executed. Supplementary groups that the key may not assert are left out: a client could have
 * said nothing of them as well.
 * @returns undefined: the key may not assert them
 */
export function asserted(rights: Rights, stated: Credentials, { op }: Operation): Credentials | undefined {
  const { squash, uids, gids } = rights;
  if (squash?.whom === 'all') return { uid: squash.uid, gid: squash.gid, groups: [] };
  let who = stated;
  if (squash !== undefined) {
    const { uid, gid } = squash;
    if (who.uid === 0) return { uid, gid, groups: [] };
    if (who.groups.includes(0)) who = { ...who, groups: who.groups.filter((group) => group !== 0) };
    if (who.gid === 0 && isIn(uids, who.uid)) return withGroups({ ...who, gid }, gids);
  }
  if (isAny(uids) && isAny(gids)) return who;
  if ((!isIn(uids, who.uid) || !isIn(gids, who.gid)) && !FOR_NOBODY.has(op)) return undefined;
  return withGroups(who, gids);
}

const withGroups = (who: Credentials, gids: readonly IdRange[]): Credentials =>
  isAny(gids) ? who : { ...who, groups: who.groups.filter((group) => isIn(gids, group)) };

/**
 * Whether a client that may only read is refused the operation. It may hold what is open, say that it lives, and share
 * locks, as on a read-only export of NFS: without that programs that lock what they read could not use it.
 */
export function isChange(operation: Operation): boolean {
  switch (operation.op) {
    case 'renew':
    case 'release':
    case 'fsync':
      return false;
    case 'lock':
      return operation.lock.type === 'write';
    case 'open':
      return (operation.access & Access.WRITE) !== 0;
    default:
      return !isReadOnly(operation);
  }
}

/** All fields of operations that name inodes. One that is missing here does not compile. */
const HANDLES = Object.keys({
  ...{ node: 0, parent: 0, newParent: 0, directory: 0, source: 0 },
} satisfies Record<HandleField, 0>) as HandleField[];

type HandleFields<O> = O extends unknown
  ? { [K in keyof O]-?: NonNullable<O[K]> extends Handle ? K : never }[keyof O]
  : never;
type HandleField = HandleFields<Operation>;

/** The operation with `rename` applied to every inode it names; undefined if that yields nothing for one of them. */
export function withHandles(
  operation: Operation,
  rename: (handle: Handle) => Handle | undefined,
): Operation | undefined {
  let renamed = operation;
  for (const field of HANDLES) {
    const handle = (operation as Partial<Record<HandleField, Handle>>)[field];
    if (handle === undefined) continue;
    const next = rename(handle);
    if (next === undefined) return undefined;
    if (next !== handle) renamed = { ...renamed, [field]: next };
  }
  return renamed;
}
