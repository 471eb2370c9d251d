/** What is kept beside an inode under a name: stored, dropped and counted; the lists of who may do what among it. */
import { type Credentials, FileLimits } from '../../src/fileservice/types.js';
import { ACCESS_ACL } from '../../src/fileservice/xattr-names.js';
import { assert } from '../../src/limits.js';
import { type AclEntry, aclAfterChmod, encodeAcl, isPermittedByAcl, parseAcl } from './acl.js';
import type { InodeRow } from './rows.js';
import { charge } from './space.js';
import type { Store } from './store.js';

/** What gives a program privileges: gone when its file is written to or given away (capabilities(7)). */
export const CAPABILITY = 'security.capability';

/** What an attribute takes beside its name and value: so there are some thousand of an inode at most. */
const OVERHEAD_BYTES = 64;

/** What an attribute counts for in `InodeRow.xattrBytes` and in the agreed capacity. */
export const xattrCharge = (name: string, value: Uint8Array): number => name.length + value.length + OVERHEAD_BYTES;

const { xattrNameBytes, xattrBytes, aclBytes, xattrsBytes, xattrNamesBytes } = FileLimits;
assert(
  Math.floor(xattrsBytes / (xattrNameBytes + OVERHEAD_BYTES)) * (xattrNameBytes + 1) <= xattrNamesBytes,
  'all names of an inode can be listed',
);
assert(
  xattrBytes + 2 * aclBytes + 3 * (xattrNameBytes + OVERHEAD_BYTES) <= xattrsBytes,
  'an inode with the largest value can have access control lists',
);

/** The value under a name, without a look at rows for the many inodes that have none at all. */
export const xattrOf = (store: Store, node: InodeRow, name: string): Buffer | undefined =>
  node.xattrBytes === 0 ? undefined : store.xattrs.find(node.ino, name)?.value;

/** What will be charged more if it gets that value, or with none is dropped. */
export function bytesAdded(store: Store, node: InodeRow, name: string, value: Uint8Array | undefined): number {
  const before = xattrOf(store, node, name);
  return (value === undefined ? 0 : xattrCharge(name, value)) - (before === undefined ? 0 : xattrCharge(name, before));
}

/** Stores a value, or with none drops what is there; the inode's field that changes by it. There is room. */
export function changeXattr(
  store: Store,
  node: InodeRow,
  name: string,
  value: Uint8Array | undefined,
): Pick<InodeRow, 'xattrBytes'> {
  const bytes = bytesAdded(store, node, name, value);
  if (value !== undefined) store.xattrs.set({ ino: node.ino, name, value: Buffer.from(value) });
  else if (bytes !== 0) store.xattrs.unset(node.ino, name);
  charge(store, node, bytes);
  return { xattrBytes: node.xattrBytes + bytes };
}

/** For whatever writes to a file, cuts it or gives it away. */
export const withoutCapability = (store: Store, node: InodeRow): Partial<InodeRow> =>
  node.xattrBytes === 0 ? {} : changeXattr(store, node, CAPABILITY, undefined);

/** A stored list: it was valid when it was stored. */
export function aclOf(store: Store, node: InodeRow, name: string): AclEntry[] | undefined {
  const value = xattrOf(store, node, name);
  return value && parseAcl(value);
}

/** The access list says what the mode says. */
export function aclFollowsMode(store: Store, node: InodeRow, mode: number): Partial<InodeRow> {
  const acl = aclOf(store, node, ACCESS_ACL);
  return acl === undefined ? {} : changeXattr(store, node, ACCESS_ACL, encodeAcl(aclAfterChmod(acl, mode)));
}

/** What the access list grants to one who is not the owner; undefined: there is none, and the mode alone counts. */
export function grantedByAcl(store: Store, who: Credentials, node: InodeRow, access: number): boolean | undefined {
  const acl = aclOf(store, node, ACCESS_ACL);
  return acl && isPermittedByAcl(acl, who, node.gid, access);
}

/** All that belongs to an inode which is freed. */
export function freeXattrs(store: Store, node: InodeRow): void {
  if (node.xattrBytes === 0) return;
  for (const { name } of store.xattrs.list(node.ino)) store.xattrs.unset(node.ino, name);
}
