/** Attributes and statistics in the package's form: integers of 32 bits where the service has more. */
import { Errno } from '../../../src/fileservice/errno.js';
import type { FileSystemStatistics } from '../../../src/fileservice/results.js';
import { type Attributes, FileLimits, type Time } from '../../../src/fileservice/types.js';
import type { Outcome } from '../kernel.js';

/** As the package's getStatArray reads it; times are milliseconds since 1970. */
export interface PackageStat {
  mode: number;
  uid: number;
  gid: number;
  size: number;
  nlink: number;
  ino: number;
  rdev: number;
  blksize: number;
  blocks: number;
  atime: number;
  mtime: number;
  ctime: number;
}

/** As the package's getStatfsArray reads it. */
export interface PackageStatfs {
  bsize: number;
  frsize: number;
  blocks: number;
  bfree: number;
  bavail: number;
  files: number;
  ffree: number;
  favail: number;
  namemax: number;
}

const UINT32_MAX = 0xffff_ffff;
const BLKSIZE = 4096;

/** Rounded down: the package has no more than milliseconds. Negative before 1970, which it cannot say at all. */
const milliseconds = ({ seconds, nanoseconds }: Time): number => seconds * 1000 + Math.floor(nanoseconds / 1_000_000);

/** EOVERFLOW for what the package would show as something else, as stat(2) says it of values that do not fit. */
export function statOf(a: Attributes): Outcome<{ stat: PackageStat }> {
  const { mode, uid, gid, size, nlink, ino, rdev, blocks } = a;
  const [atime, mtime, ctime] = [a.atime, a.mtime, a.ctime].map(milliseconds);
  if (ino > UINT32_MAX || Math.min(atime, mtime, ctime) < 0) return { errno: Errno.EOVERFLOW };
  const stat = { mode, uid, gid, size, nlink, ino, rdev, blksize: BLKSIZE, blocks, atime, mtime, ctime };
  return { errno: 0, stat };
}

/** In blocks so large that their number fits. */
export function statfsOf({ blockSize, blocks, freeBlocks, files, freeFiles }: FileSystemStatistics): PackageStatfs {
  let shrink = 1;
  while (blocks / shrink > UINT32_MAX) shrink *= 2;
  const bsize = blockSize * shrink;
  const bfree = Math.floor(freeBlocks / shrink);
  const ffree = Math.min(freeFiles, UINT32_MAX);
  return {
    ...{ bsize, frsize: bsize, blocks: Math.floor(blocks / shrink), bfree, bavail: bfree },
    ...{ files: Math.min(files, UINT32_MAX), ffree, favail: ffree, namemax: FileLimits.nameBytes },
  };
}
