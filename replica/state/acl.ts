/**
 * POSIX access control lists (POSIX 1003.1e draft 17; acl(5)), as Linux does them (fs/posix_acl.c): entries in, a
 * decision or other entries out. On the wire and in rows they have the bytes of the extended attributes
 * `system.posix_acl_access` and `system.posix_acl_default` (include/uapi/linux/posix_acl_xattr.h).
 */
import { type Credentials, isInGroup } from '../../src/fileservice/types.js';

export const AclTag = { USER_OBJ: 0x01, USER: 0x02, GROUP_OBJ: 0x04, GROUP: 0x08, MASK: 0x10, OTHER: 0x20 } as const;

export interface AclEntry {
  tag: number;
  /** Access bits. */
  permissions: number;
  /** Of USER and GROUP. */
  id: number;
}

const VERSION = 2;
const HEADER_BYTES = 4;
const ENTRY_BYTES = 8;
const NO_ID = 0xffff_ffff;

const isNamed = ({ tag }: AclEntry): boolean => tag === AclTag.USER || tag === AclTag.GROUP;

/** Strict inverse of `encodeAcl`, but for ids where there are none; undefined for bytes that are no list. */
export function parseAcl(bytes: Uint8Array): AclEntry[] | undefined {
  const b = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (b.length < HEADER_BYTES || (b.length - HEADER_BYTES) % ENTRY_BYTES !== 0) return undefined;
  if (b.readUInt32LE(0) !== VERSION) return undefined;
  const entries: AclEntry[] = [];
  for (let at = HEADER_BYTES; at < b.length; at += ENTRY_BYTES) {
    const entry = { tag: b.readUInt16LE(at), permissions: b.readUInt16LE(at + 2), id: b.readUInt32LE(at + 4) };
    entries.push(isNamed(entry) ? entry : { ...entry, id: NO_ID });
  }
  return entries;
}

export function encodeAcl(entries: readonly AclEntry[]): Buffer {
  const b = Buffer.alloc(HEADER_BYTES + ENTRY_BYTES * entries.length);
  b.writeUInt32LE(VERSION, 0);
  for (const [i, { tag, permissions, id }] of entries.entries()) {
    const at = HEADER_BYTES + ENTRY_BYTES * i;
    b.writeUInt16LE(tag, at);
    b.writeUInt16LE(permissions, at + 2);
    b.writeUInt32LE(id, at + 4);
  }
  return b;
}

/** What may follow what, ids aside: owner, named users, group, named groups, mask, others. */
const SHAPE = /^o(u*)g(n*)m?t$/;
const LETTERS: Readonly<Record<number, string>> = {
  [AclTag.USER_OBJ]: 'o',
  [AclTag.USER]: 'u',
  [AclTag.GROUP_OBJ]: 'g',
  [AclTag.GROUP]: 'n',
  [AclTag.MASK]: 'm',
  [AclTag.OTHER]: 't',
};

/** posix_acl_valid: all there in their order, and a mask if anyone is named. */
export function isValidAcl(entries: readonly AclEntry[]): boolean {
  const shape = entries.map(({ tag }) => LETTERS[tag] ?? '?').join('');
  const sound = entries.every((entry) => entry.permissions <= 7 && (!isNamed(entry) || entry.id !== NO_ID));
  return sound && SHAPE.test(shape) && (shape.includes('m') || !entries.some(isNamed));
}

const permissionsOf = (entries: readonly AclEntry[], tag: number): number | undefined =>
  entries.find((entry) => entry.tag === tag)?.permissions;

/**
 * posix_acl_permission, of a caller that is not the owner, whom the mode alone concerns.
 * @param gid of the inode
 * @param access Access bits
 */
export function isPermittedByAcl(entries: readonly AclEntry[], who: Credentials, gid: number, access: number): boolean {
  const mask = permissionsOf(entries, AclTag.MASK) ?? 7;
  const grants = ({ permissions }: AclEntry): boolean => (permissions & access) === access;
  const user = entries.find(({ tag, id }) => tag === AclTag.USER && id === who.uid);
  if (user !== undefined) return (user.permissions & mask & access) === access;
  const groups = entries.filter(
    ({ tag, id }) => (tag === AclTag.GROUP_OBJ && isInGroup(who, gid)) || (tag === AclTag.GROUP && isInGroup(who, id)),
  );
  // Any one group may grant it; being in one that does not shuts out from what others may.
  if (groups.length > 0) return groups.some(grants) && (mask & access) === access;
  return ((permissionsOf(entries, AclTag.OTHER) ?? 0) & access) === access;
}

/** posix_acl_equiv_mode: the mode's permission bits that show the list, and whether they say all that it says. */
export function modeOfAcl(entries: readonly AclEntry[]): { mode: number; equivalent: boolean } {
  const owner = permissionsOf(entries, AclTag.USER_OBJ) ?? 0;
  const mask = permissionsOf(entries, AclTag.MASK);
  const group = mask ?? permissionsOf(entries, AclTag.GROUP_OBJ) ?? 0;
  const others = permissionsOf(entries, AclTag.OTHER) ?? 0;
  return { mode: (owner << 6) | (group << 3) | others, equivalent: mask === undefined && !entries.some(isNamed) };
}

/** The class of the mode that an entry goes with; named entries go with none. */
function shiftOf(tag: number, hasMask: boolean): number | undefined {
  switch (tag) {
    case AclTag.USER_OBJ:
      return 6;
    case AclTag.GROUP_OBJ:
      return hasMask ? undefined : 3;
    case AclTag.MASK:
      return 3;
    case AclTag.OTHER:
      return 0;
    default:
      return undefined;
  }
}

function withMode(entries: readonly AclEntry[], change: (permissions: number, ofMode: number) => number, mode: number) {
  const hasMask = entries.some(({ tag }) => tag === AclTag.MASK);
  return entries.map((entry) => {
    const shift = shiftOf(entry.tag, hasMask);
    if (shift === undefined) return entry;
    return { ...entry, permissions: change(entry.permissions, (mode >> shift) & 7) };
  });
}

/** posix_acl_chmod: the list after chmod(2). */
export const aclAfterChmod = (entries: readonly AclEntry[], mode: number): AclEntry[] =>
  withMode(entries, (_, ofMode) => ofMode, mode);

/** posix_acl_create: what a new inode gets of its directory's default list: no more than was asked for with `mode`. */
export const inheritedAcl = (defaults: readonly AclEntry[], mode: number): AclEntry[] =>
  withMode(defaults, (permissions, ofMode) => permissions & ofMode, mode);
