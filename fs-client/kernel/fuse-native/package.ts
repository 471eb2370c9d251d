/**
 * The npm package fuse-native 2.2, which has no types: what of it is used here, as read in its index.js and
 * fuse-native.c. It is optional, being compiled and for Linux on x86-64 only.
 */
import { createRequire } from 'node:module';
import type { PackageStat, PackageStatfs } from './stat.js';

/** 0 or a negative errno; for read and write the bytes done. */
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
  mount(done: (error: Error | null | undefined) => void): void;
}

export type FuseNativeClass = new (mountpoint: string, operations: Operations, options: PackageOptions) => FuseNative;

/** Why it cannot be used and what to do about it, in one line. */
export class FuseNativeUnavailable extends Error {
  override name = 'FuseNativeUnavailable';
}

const require = createRequire(import.meta.url);

/** @throws FuseNativeUnavailable */
export function loadFuseNative(): FuseNativeClass {
  try {
    return require('fuse-native') as FuseNativeClass;
  } catch (error) {
    if (!isLibraryMissing(error) || !loadItsLibrary()) throw unavailable(error as NodeJS.ErrnoException);
  }
  try {
    return require('fuse-native') as FuseNativeClass;
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
