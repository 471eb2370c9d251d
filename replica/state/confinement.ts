/**
 * Clients that are confined to a directory, as to an export of NFS (exports(5), subtree_check): to them that is the root,
 * by its handle too (as chroot(2); PUTROOTFH, RFC 8881 §18.21), and what lies outside is to them what does not exist, by whatever handle. An inode is inside if one of its
 * names is; without any name, if it is kept for the session that asks, which then had it open.
 *
 * Handles can be guessed, so each that a call names is looked at: a directory by its parents up to the root, which are in
 * memory mostly; a file by the directories that have names of it, an index's range. Nothing is remembered from one call to
 * the next, so that nothing has to be forgotten when something is moved.
 */
import type { DirectoryEntry } from '../../src/fileservice/results.js';
import { type Attributes, type Handle, isDirectory, ROOT_HANDLE, ROOT_INO } from '../../src/fileservice/types.js';
import type { SessionId } from '../../src/pbft/messages.js';
import type { Store } from './store.js';

/** Directories further down than this are out of reach: no path leads there (PATH_MAX), and walking up has a bound. */
const DEPTH = 2048;

/** A file with more names than this is in nobody's directory. */
export const CONFINED_LINKS = 1024;

/** Whether a directory is `root` or below it. */
export function isInside(store: Store, root: number, directory: number): boolean {
  let at = directory;
  for (let depth = 0; depth < DEPTH; depth++) {
    if (at === root) return true;
    const row = at === ROOT_INO ? undefined : store.inodes.get(at);
    if (row === undefined) return false;
    at = row.parent;
  }
  return false;
}

/** What a handle means to a session whose client is confined to `root`; undefined: nothing. */
export function confined(store: Store, session: SessionId, root: Handle, handle: Handle): Handle | undefined {
  if (handle.ino === ROOT_INO) return handle.generation === ROOT_HANDLE.generation ? root : undefined;
  const row = store.inodes.get(handle.ino);
  if (row === undefined || row.generation !== handle.generation) return undefined;
  if (isDirectory(row.mode)) return isInside(store, root.ino, row.ino) ? handle : undefined;
  if (row.nlink === 0) return store.orphans.has(session, row.ino) ? handle : undefined;
  if (row.nlink > CONFINED_LINKS) return undefined;
  for (const parent of store.dentries.parentsOf(row.ino)) if (isInside(store, root.ino, parent)) return handle;
  return undefined;
}

/** What results have of inodes. */
interface Shown {
  attributes?: Attributes;
  parent?: Attributes;
  newParent?: Attributes;
  node?: Attributes;
  replaced?: Attributes;
  directory?: Attributes;
  entries?: DirectoryEntry[];
}

/** The result as the client sees it: its root has the number that roots have, as a mount expects of it. */
export function seenFrom<R extends object>(root: Handle, result: R): R {
  const isRoot = (each: Attributes): boolean => each.ino === root.ino;
  const shown: Shown = {};
  const { entries, ...nodes } = result as Shown;
  for (const [field, value] of Object.entries(nodes)) {
    if (typeof value !== 'object' || !('ino' in value) || !isRoot(value)) continue;
    shown[field as keyof typeof nodes] = { ...value, ...ROOT_HANDLE };
  }
  if (entries?.some(({ attributes }) => isRoot(attributes))) {
    shown.entries = entries.map((entry) =>
      isRoot(entry.attributes) ? { ...entry, attributes: { ...entry.attributes, ...ROOT_HANDLE } } : entry,
    );
  }
  return { ...result, ...shown };
}

/** Whether the client may have open what has, or had, a name in `directory`. */
export function reaches(store: Store, client: number, directory: number): boolean {
  const rights = store.clients.get(client)?.rights;
  if (rights === undefined) return false;
  return rights.subtree === undefined || isInside(store, rights.subtree.ino, directory);
}
