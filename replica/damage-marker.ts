/**
 * A file in the replica's directory that says why its state is not to be believed as it is: a failure stopped the
 * replica, and it may have been the disk's. The next start looks through the whole state first.
 */
import { closeSync, fsyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';

/** @returns why, in one line; undefined: there is no marker */
export function readMarker(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Never throws: it is written when something has failed already, perhaps this disk. @returns whether it is there */
export function writeMarker(path: string, why: string): boolean {
  try {
    const file = openSync(path, 'w', 0o600);
    writeSync(file, `${why.replace(/\s+/g, ' ').trim()}\n`);
    fsyncSync(file);
    closeSync(file);
    return true;
  } catch {
    return false;
  }
}

export const clearMarker = (path: string): void => rmSync(path, { force: true });
