/** Files just made, open for the OPEN that follows. A file made by mknod(2) is followed by none. */
import type { FileSystem } from '../kernel.js';

/** The kernel sends OPEN as soon as MKNOD is answered. */
const WAIT_MS = 2000;

interface Creation {
  ino: number;
  fh: number;
  timer: NodeJS.Timeout;
}

export class Creations {
  private readonly waiting = new Map<string, Creation>();

  constructor(private readonly fs: FileSystem) {}

  add(path: string, ino: number, fh: number): void {
    this.release(path);
    const timer = setTimeout(() => this.release(path), WAIT_MS);
    timer.unref();
    this.waiting.set(path, { ino, fh, timer });
  }

  /** The open file made at a path, if the inode that is there now is the one that was made. */
  take(path: string, ino: number): number | undefined {
    const creation = this.waiting.get(path);
    if (creation === undefined) return undefined;
    if (creation.ino !== ino) {
      this.release(path);
      return undefined;
    }
    this.forget(path, creation);
    return creation.fh;
  }

  private release(path: string): void {
    const creation = this.waiting.get(path);
    if (creation === undefined) return;
    this.forget(path, creation);
    this.fs.release(creation.fh);
  }

  private forget(path: string, { timer }: Creation): void {
    clearTimeout(timer);
    this.waiting.delete(path);
  }
}
