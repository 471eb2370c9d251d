/** Names of extended attributes (xattr(7)): which there can be. */
import { Errno } from './errno.js';
import { FileLimits } from './types.js';

/** Lists of who may do what with an inode, and with those made in it (acl(5)). */
export const ACCESS_ACL = 'system.posix_acl_access';
export const DEFAULT_ACL = 'system.posix_acl_default';

export const isAclName = (name: string): boolean => name === ACCESS_ACL || name === DEFAULT_ACL;

const NAMESPACES = ['user.', 'trusted.', 'security.'];

/**
 * setxattr(2) and xattr_resolve_name; undefined for names that an attribute can have.
 * @param name a character a byte
 */
export function xattrNameError(name: string): Errno | undefined {
  if (name === '' || name.length > FileLimits.xattrNameBytes) return Errno.ERANGE;
  if (name.includes('\0')) return Errno.EINVAL;
  if (isAclName(name)) return undefined;
  const namespace = NAMESPACES.find((each) => name.startsWith(each));
  if (namespace === undefined) return Errno.EOPNOTSUPP;
  return name === namespace ? Errno.EINVAL : undefined;
}
