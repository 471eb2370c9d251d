/**
 * A file in the replica's directory that says why its state is not to be believed as it is. Where a failure stopped the
 * replica, the disk may have been the cause: the next start looks through the whole state first. Where the state was
 * found to be wrong, it is begun anew.
 */
import { closeSync, fsyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';

export interface Marker {
  /** Whether the state is known to be wrong, and not only suspected. */
  certain: boolean;
  why: string;
}

const CERTAIN = 'the state is wrong: ';

/** @returns undefined: there is no marker */
export function readMarker(path: string): Marker | undefined {
  try {
    const text = readFileSync(path, 'utf8').trim();
    const certain = text.startsWith(CERTAIN);
    return { certain, why: certain ? text.slice(CERTAIN.length) : text };
  } catch {
    return undefined;
  }
}

/** Never throws: it is written when something has failed already, perhaps this disk. @returns whether it is there */
export function writeMarker(path: string, { certain, why }: Marker): boolean {
  try {
    const file = openSync(path, 'w', 0o600);
    writeSync(file, `${certain ? CERTAIN : ''}${why.replace(/\s+/g, ' ').trim()}\n`);
    fsyncSync(file);
    closeSync(file);
    return true;
  } catch {
    return false;
  }
}

export const clearMarker = (path: string): void => rmSync(path, { force: true });
