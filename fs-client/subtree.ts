/** `subdir=PATH`: which directory a mount shows. */
import { Errno } from '../src/fileservice/errno.js';
import { type Credentials, type Handle, isDirectory, ROOT_HANDLE } from '../src/fileservice/types.js';
import type { Files } from './files.js';

/** One line: what is wrong with the path, and what to do. */
export class SubtreeError extends Error {
  override name = 'SubtreeError';
}

/**
 * Walks from the root of all. Symbolic links are not followed: where they lead is for the machine that reads them.
 * @param names latin1, a character a byte
 * @throws SubtreeError
 */
export async function findSubtree(files: Files, who: Credentials, names: readonly string[]): Promise<Handle> {
  let found: Handle = ROOT_HANDLE;
  for (const [depth, name] of names.entries()) {
    const path = `/${Buffer.from(names.slice(0, depth + 1).join('/'), 'latin1')}`;
    const operation = { op: 'lookup', parent: found, name: Buffer.from(name, 'latin1') } as const;
    const result = await files.perform(who, operation);
    if (!('attributes' in result)) throw new SubtreeError(`subdir ${path} ${reasonOf(result.errno, who)}`);
    const { ino, generation, mode } = result.attributes;
    if (!isDirectory(mode)) throw new SubtreeError(`subdir ${path} is not a directory: give one`);
    found = { ino, generation };
  }
  return found;
}

function reasonOf(errno: number, { uid, gid }: Credentials): string {
  if (errno === Errno.ENOENT) return 'does not exist: make it in a mount of the whole file system first';
  if (errno === Errno.EACCES) return `cannot be reached by uid ${uid}, gid ${gid}: change the modes of what is above`;
  if (errno === Errno.EIO) return 'could not be asked for: no quorum answered in time';
  return `cannot be used (errno ${errno})`;
}
