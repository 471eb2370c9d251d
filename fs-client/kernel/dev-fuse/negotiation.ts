/** FUSE_INIT: what this side asks of the kernel, out of what the kernel offers. */
import type { KernelFeatures } from '../../features.js';
import type { KernelOptions } from '../kernel.js';
import { FUSE_MAJOR, FUSE_MINOR, FUSE_OLDEST_MINOR, InitFlag, InitFlag2, MAX_WRITE_BYTES, PAGE_BYTES } from './abi.js';
import type { ReplyBuffer } from './reply.js';
import type { Request } from './request.js';

/** Background requests (read-ahead, asynchronous direct I/O) outstanding at a time; the kernel's default is 12. */
const MAX_BACKGROUND = 64;
const CONGESTION_THRESHOLD = 48;
/** What the kernel does unless asked for more. */
const SMALL_WRITE_BYTES = 128 * 1024;

/**
 * Not asked for, on purpose: AUTO_INVAL_DATA (pages are kept or dropped at OPEN, by change counter; our own writes
 * change the time it watches), WRITEBACK_CACHE (one more ordered SETATTR for each written file), NO_OPEN (OPEN is
 * where close-to-open asks).
 */
const WANTED =
  InitFlag.ASYNC_READ |
  InitFlag.POSIX_LOCKS |
  InitFlag.FLOCK_LOCKS |
  InitFlag.BIG_WRITES |
  InitFlag.DONT_MASK |
  InitFlag.ASYNC_DIO |
  InitFlag.PARALLEL_DIROPS |
  InitFlag.ABORT_ERROR |
  InitFlag.MAX_PAGES |
  InitFlag.INIT_EXT;

/** What a mount differs in. */
export type Negotiable = KernelFeatures & Pick<KernelOptions, 'kernelPermissions'>;

const flagsOf = ({ readdirPlus, symlinks, killPrivileges, kernelPermissions }: Negotiable): number =>
  // The kernel takes it to mean that it is to check permissions, with or without default_permissions.
  (kernelPermissions ? InitFlag.POSIX_ACL : 0) |
  (readdirPlus ? InitFlag.DO_READDIRPLUS | InitFlag.READDIRPLUS_AUTO : 0) |
  (symlinks ? InitFlag.CACHE_SYMLINKS : 0) |
  (killPrivileges ? InitFlag.HANDLE_KILLPRIV_V2 : 0);

/**
 * Builds the reply to INIT.
 * @returns the errno to answer, and in words what was agreed or why not
 */
export function negotiate(
  request: Request,
  reply: ReplyBuffer,
  features: Negotiable,
): { errno: number; agreed: string } {
  const EPROTO = 71;
  const major = request.u32(0);
  const minor = request.u32(4);
  const protocol = `FUSE ${major}.${minor}`;
  if (major !== FUSE_MAJOR || minor < FUSE_OLDEST_MINOR) {
    return { errno: EPROTO, agreed: `the kernel speaks ${protocol}, at least 7.${FUSE_OLDEST_MINOR} is needed` };
  }
  const offered = request.u32(12);
  const offered2 = offered & InitFlag.INIT_EXT && request.bodyLength >= 20 ? request.u32(16) : 0;
  const flags = offered & (WANTED | flagsOf(features));
  const flags2 = offered2 & InitFlag2.DIRECT_IO_ALLOW_MMAP;
  const maxBytes = features.largeRequests ? MAX_WRITE_BYTES : SMALL_WRITE_BYTES;
  reply.begin().init({
    major: FUSE_MAJOR,
    minor: Math.min(minor, FUSE_MINOR),
    maxReadahead: Math.max(request.u32(8), MAX_WRITE_BYTES),
    flags,
    flags2,
    maxBackground: MAX_BACKGROUND,
    congestionThreshold: CONGESTION_THRESHOLD,
    maxWrite: maxBytes,
    maxPages: maxBytes / PAGE_BYTES,
  });
  return { errno: 0, agreed: `${protocol}, flags ${(flags >>> 0).toString(16)} ${(flags2 >>> 0).toString(16)}` };
}
