/**
 * `sync` and `dirsync` (mount(8)): changes are on stable storage of a quorum before they are answered. The kernel does
 * so itself only for data that is written through its page cache.
 */
import type { Answer, Caller, FileSystem, Outcome } from './kernel/kernel.js';

/** @param all also attributes, and data that is not written through the page cache; otherwise only names */
export function synchronous(fs: FileSystem, all: boolean): FileSystem {
  /** Whatever is synced, all changes before it are too. */
  const sync = async (caller: Caller, ino: number): Promise<Outcome> => {
    const opened = await fs.opendir(caller, ino);
    if (!('fh' in opened)) return opened;
    const synced = await fs.fsyncdir(opened.fh);
    fs.releasedir(opened.fh);
    return synced;
  };
  /** @param undo takes back what the answer gave to the kernel */
  const after = async <T>(
    change: Answer<T>,
    caller: Caller,
    ino: number,
    undo?: (answer: T) => void,
  ): Promise<Outcome<T>> => {
    const outcome = await change;
    if (outcome.errno !== 0) return outcome;
    const { errno } = await sync(caller, ino);
    if (errno === 0) return outcome;
    undo?.(outcome as T);
    return { errno };
  };
  const afterData = async <T>(change: Answer<T>, fh: number): Promise<Outcome<T>> => {
    const outcome = await change;
    if (outcome.errno !== 0) return outcome;
    const { errno } = await fs.fsync(fh);
    return errno === 0 ? outcome : { errno };
  };
  const forget = ({ attributes }: { attributes: { ino: number } }): void => fs.forget(attributes.ino, 1);
  const names: Partial<FileSystem> = {
    mkdir: (caller, parent, name, mode, umask) =>
      after(fs.mkdir(caller, parent, name, mode, umask), caller, parent, forget),
    mknod: (caller, parent, name, mode, rdev, umask) =>
      after(fs.mknod(caller, parent, name, mode, rdev, umask), caller, parent, forget),
    symlink: (caller, parent, name, target) => after(fs.symlink(caller, parent, name, target), caller, parent, forget),
    link: (caller, ino, parent, name) => after(fs.link(caller, ino, parent, name), caller, parent, forget),
    create: (caller, parent, name, mode, flags, umask) =>
      after(fs.create(caller, parent, name, mode, flags, umask), caller, parent, (made) => {
        fs.release(made.open.fh);
        forget(made);
      }),
    unlink: (caller, parent, name) => after(fs.unlink(caller, parent, name), caller, parent),
    rmdir: (caller, parent, name) => after(fs.rmdir(caller, parent, name), caller, parent),
    rename: (caller, parent, name, newParent, newName, flags) =>
      after(fs.rename(caller, parent, name, newParent, newName, flags), caller, newParent),
  };
  const rest: Partial<FileSystem> = {
    setattr: (caller, ino, fh, changes) => after(fs.setattr(caller, ino, fh, changes), caller, ino),
    setXattr: (caller, ino, name, value, flags) => after(fs.setXattr(caller, ino, name, value, flags), caller, ino),
    removeXattr: (caller, ino, name) => after(fs.removeXattr(caller, ino, name), caller, ino),
    write: (fh, offset, data, flags) => fs.write(fh, offset, data, { ...flags, synchronous: true }),
    allocate: (caller, fh, mode, offset, length, interrupted) =>
      afterData(fs.allocate(caller, fh, mode, offset, length, interrupted), fh),
    copy: (caller, fh, offset, sourceFh, sourceOffset, length) =>
      afterData(fs.copy(caller, fh, offset, sourceFh, sourceOffset, length), fh),
  };
  const changed: Partial<FileSystem> = all ? { ...names, ...rest } : names;
  return new Proxy(fs, {
    get: (target, key: keyof FileSystem) =>
      changed[key] ?? (target[key] as (...args: unknown[]) => unknown).bind(target),
  });
}
