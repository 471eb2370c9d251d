/**
 * The npm package fuse-native 2.2, which has no types: what of it is used here, as read in its index.js and
 * fuse-native.c. It is optional, being compiled and for Linux on x86-64 only.
 */
import { createRequire } from 'node:module';
import type { PackageStat, PackageStatfs } from './stat.js';

/** 0 or a negative errno; for read, write, getxattr and listxattr a number of bytes. */
export type Done = (result: number) => void;

/** Called one at a time from the event loop, any number being under way. What is left out libfuse answers with ENOSYS. */
export interface Operations {
  getattr(path: string, done: (result: number, stat?: PackageStat) => void): void;
  statfs(path: string, done: (result: number, statfs?: PackageStatfs) => void): void;
  readlink(path: string, done: (result: number, target?: string) => void): void;
  readdir(
    path: string,
    done: (result: number, names?: string[], stats?: Pick<PackageStat, 'ino' | 'mode'>[]) => void,
  ): void;
  open(path: string, flags: number, done: (result: number, fh?: number) => void): void;
  opendir(path: string, flags: number, done: (result: number, fh?: number) => void): void;
  /** Into `buffer`, which is libfuse's own memory: gone once `done` is called. */
  read(path: string, fh: number, buffer: Buffer, length: number, offset: number, done: Done): void;
  /** From `buffer`, likewise. */
  write(path: string, fh: number, buffer: Buffer, length: number, offset: number, done: Done): void;
  flush(path: string, fh: number, done: Done): void;
  fsync(path: string, datasync: number, fh: number, done: Done): void;
  fsyncdir(path: string, datasync: number, fh: number, done: Done): void;
  release(path: string, fh: number, done: Done): void;
  releasedir(path: string, fh: number, done: Done): void;
  truncate(path: string, size: number, done: Done): void;
  ftruncate(path: string, fh: number, size: number, done: Done): void;
  utimens(path: string, atime: number, atimeAgain: number, done: Done): void;
  chown(path: string, uid: number, gid: number, done: Done): void;
  chmod(path: string, mode: number, done: Done): void;
  /** Into `room`, which is libfuse's own memory, too; if there is none only the length is asked for. */
  getxattr(path: string, name: string, room: Buffer, done: Done): void;
  listxattr(path: string, room: Buffer, done: Done): void;
  /** From `value`, likewise. `position` is 0. */
  setxattr(path: string, name: string, value: Buffer, position: number, flags: number, done: Done): void;
  removexattr(path: string, name: string, done: Done): void;
  mknod(path: string, mode: number, rdev: number, done: Done): void;
  mkdir(path: string, mode: number, done: Done): void;
  symlink(target: string, path: string, done: Done): void;
  link(from: string, to: string, done: Done): void;
  rename(from: string, to: string, done: Done): void;
  unlink(path: string, done: Done): void;
  rmdir(path: string, done: Done): void;
}

export interface PackageOptions {
  /** false: the package itself never gives a call up. */
  timeout: false;
  fsname: string;
  /** The file system type after `fuse.`; further options may follow it, as they stand on libfuse's command line. */
  subtype: string;
  defaultPermissions: boolean;
  /** Seconds, as text: 0 as a number is left out. */
  entryTimeout: string;
  attrTimeout: string;
}

export interface FuseNative {
  readonly ops: Operations;
  mount(done: (error: Error | null | undefined) => void): void;
}

export type FuseNativeClass = new (mountpoint: string, operations: Operations, options: PackageOptions) => FuseNative;

/** Answers libfuse, and takes its memory back. */
type Signal = (result: number, memory: ArrayBufferLike) => void;

/**
 * The package does not tell its own operations how much room there is, and answers with the length of a value that did
 * not fit: libfuse would send what lies behind its memory. To who asks for the length of a listing it says 128 too much.
 */
function withRoom(FuseNative: FuseNativeClass): FuseNativeClass {
  return class extends FuseNative {
    _op_getxattr(signal: Signal, path: string, name: string, room: Buffer): void {
      this.ops.getxattr(path, name, room, (result) => signal(result, room.buffer));
    }

    _op_listxattr(signal: Signal, path: string, room: Buffer): void {
      this.ops.listxattr(path, room, (result) => signal(result, room.buffer));
    }
  };
}

/** Why it cannot be used and what to do about it, in one line. */
export class FuseNativeUnavailable extends Error {
  override name = 'FuseNativeUnavailable';
}

const require = createRequire(import.meta.url);

/** @throws FuseNativeUnavailable */
export function loadFuseNative(): FuseNativeClass {
  try {
    return withRoom(require('fuse-native'));
  } catch (error) {
    if (!isLibraryMissing(error) || !loadItsLibrary()) throw unavailable(error as NodeJS.ErrnoException);
  }
  try {
    return withRoom(require('fuse-native'));
  } catch (error) {
    throw unavailable(error as NodeJS.ErrnoException);
  }
}

const LIBRARY = 'libfuse.so.2';
const isLibraryMissing = (error: unknown): boolean => String((error as Error).message).includes(LIBRARY);

/**
 * The package was linked with a libfuse that it brings, but looks for one of the system's. A library that is loaded
 * already under that name is taken instead.
 */
function loadItsLibrary(): boolean {
  try {
    const { lib } = require('fuse-shared-library') as { lib: string };
    (require('koffi') as { load(path: string): unknown }).load(lib);
    return true;
  } catch {
    return false;
  }
}

function unavailable(error: NodeJS.ErrnoException): FuseNativeUnavailable {
  if (error.code === 'MODULE_NOT_FOUND') {
    return new FuseNativeUnavailable('the npm package fuse-native is not installed: npm install fuse-native');
  }
  if (isLibraryMissing(error)) {
    return new FuseNativeUnavailable(`no ${LIBRARY}, which fuse-native needs: apt-get install libfuse2`);
  }
  const [line] = error.message.split('\n');
  return new FuseNativeUnavailable(`the npm package fuse-native does not load (${line}): npm rebuild fuse-native`);
}
