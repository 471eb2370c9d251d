/**
 * What a program may expect of a directory, by name: each is given a fresh, empty one. Run on a local disk (control)
 * and on every kind of mount.
 */
import { aclBehaviours } from './behaviours/acls.js';
import { attributeBehaviours } from './behaviours/attributes.js';
import { dataBehaviours } from './behaviours/data.js';
import { directoryBehaviours } from './behaviours/directories.js';
import { lifetimeBehaviours } from './behaviours/lifetimes.js';
import { linkBehaviours } from './behaviours/links.js';
import { lockBehaviours } from './behaviours/locks.js';
import { permissionBehaviours } from './behaviours/permissions.js';
import { renameBehaviours } from './behaviours/renames.js';
import { spaceBehaviours } from './behaviours/space.js';
import { xattrBehaviours } from './behaviours/xattrs.js';

export type Behaviour = (dir: string) => Promise<void>;

export const behaviours: Record<string, Behaviour> = {
  ...dataBehaviours,
  ...spaceBehaviours,
  ...attributeBehaviours,
  ...directoryBehaviours,
  ...linkBehaviours,
  ...renameBehaviours,
  ...lifetimeBehaviours,
  ...permissionBehaviours,
  ...lockBehaviours,
  ...xattrBehaviours,
  ...aclBehaviours,
};
