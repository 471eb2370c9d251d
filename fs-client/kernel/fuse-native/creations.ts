/** Files just made, open for the OPEN that follows. A file made by mknod(2) is followed by none. */
import type { FileSystem } from '../kernel.js';

/** The kernel sends OPEN as soon as MKNOD is answered. */
const WAIT_MS = 2000;

interface Creation {
  ino: number;
  fh: number;
}

export class Creations {
  private readonly waiting = new Map<string, Creation & { timer: NodeJS.Timeout }>();

  constructor(private readonly fs: FileSystem) {}

  add(path: string, ino: number, fh: number): void {
    this.release(path);
    const timer = setTimeout(() => this.release(path), WAIT_MS);
    timer.unref();
    this.waiting.set(path, { ino, fh, timer });
  }

  /** The file made at a path, to be opened now. */
  take(path: string): Creation | undefined {
    const creation = this.waiting.get(path);
    if (creation === undefined) return undefined;
    clearTimeout(creation.timer);
    this.waiting.delete(path);
    return { ino: creation.ino, fh: creation.fh };
  }

  private release(path: string): void {
    const creation = this.take(path);
    if (creation !== undefined) this.fs.release(creation.fh);
  }
}
