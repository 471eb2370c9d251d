/** One name for one directory: what a person typed, without symbolic links. */
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';

/** Absolute and without symbolic links; one that does not exist is only made absolute. */
export function canonicalDirectory(path: string): string {
  const absolute = resolve(path);
  try {
    return realpathSync(absolute);
  } catch {
    return absolute;
  }
}

/** Where `up` and `down` work unless told otherwise, below the current directory. */
export const DEFAULT_DIRECTORY = '.byzfs';
export const DEFAULT_MOUNTPOINT = 'mnt';
