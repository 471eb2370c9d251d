/**
 * Open files and directories, and under which paths they are. The package names a file by its path even where a
 * program named it by a descriptor (fstat(2), fchmod(2)). libfuse keeps those paths right through what this mount
 * renames and removes; what another mount puts in the place of an open file it cannot know of.
 */

export interface Handle {
  /** The file system's. */
  fh: number;
  ino: number;
  directory: boolean;
  /** Opened with O_APPEND. */
  append: boolean;
  /** Opened with O_DSYNC or O_SYNC. */
  synchronous: boolean;
}

interface Open extends Handle {
  /** Undefined once this mount has removed it. */
  path: string | undefined;
}

/** The package has handles as signed integers of 32 bits, and 0 for none. */
const LARGEST = 0x7fff_ffff;

export class Handles {
  private readonly open = new Map<number, Open>();
  private last = 0;

  /** @returns the number by which the package knows it from now on */
  add(path: string, handle: Handle): number {
    do this.last = this.last === LARGEST ? 1 : this.last + 1;
    while (this.open.has(this.last));
    this.open.set(this.last, { ...handle, path });
    return this.last;
  }

  get(id: number): Handle | undefined {
    return this.open.get(id);
  }

  /** Forgets it. */
  take(id: number): Handle | undefined {
    const handle = this.open.get(id);
    this.open.delete(id);
    return handle;
  }

  /**
   * Whether something else is open under the path than what is there now. Who asks for the path may then mean either,
   * the open file by its descriptor or the new one by its name.
   */
  ambiguous(path: string, ino: number): boolean {
    return this.some((handle) => handle.path === path && handle.ino !== ino);
  }

  /** Whether a file is open under a path at which something is about to be made: another mount has removed it. */
  occupied(path: string): boolean {
    return this.some((handle) => handle.path === path && !handle.directory);
  }

  /** This mount has renamed what was there, and all below it moved along. */
  renamed(from: string, to: string): void {
    for (const handle of this.open.values()) {
      if (handle.path === to) handle.path = undefined;
      if (handle.path === from) handle.path = to;
      else if (handle.path?.startsWith(`${from}/`)) handle.path = to + handle.path.slice(from.length);
    }
  }

  /** This mount has removed what was there. */
  removed(path: string): void {
    for (const handle of this.open.values()) if (handle.path === path) handle.path = undefined;
  }

  private some(test: (handle: Open) => boolean): boolean {
    for (const handle of this.open.values()) if (test(handle)) return true;
    return false;
  }
}
