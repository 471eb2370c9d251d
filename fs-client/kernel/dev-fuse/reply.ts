/** Builds replies in one buffer that is written before the next is begun: `fuse_out_header` and the structures. */

import { type Conflict, LOCK_TO_END } from '../../../src/fileservice/locks.js';
import type { DirectoryEntry, FileSystemStatistics } from '../../../src/fileservice/results.js';
import type { Attributes } from '../../../src/fileservice/types.js';
import { FileLimits, FileType } from '../../../src/fileservice/types.js';
import type { AttributesAnswer, EntryAnswer, OpenAnswer } from '../kernel.js';
import { LockType, OpenReplyFlag, Size } from './abi.js';

const TWO_TO_32 = 0x1_0000_0000;
/** st_blksize: stdio's buffer, so fewer WRITEs than with a page; below malloc's threshold for a mapping of its own. */
const PREFERRED_IO_BYTES = 64 * 1024;
/** READDIR is answered with at most this much, however large the kernel's buffer. */
export const LISTING_BYTES = 128 * 1024;

export class ReplyBuffer {
  readonly bytes = Buffer.alloc(Size.OUT_HEADER + LISTING_BYTES);
  /** Bytes of the reply so far, header included. */
  length: number = Size.OUT_HEADER;

  begin(): this {
    this.length = Size.OUT_HEADER;
    return this;
  }

  private u32(value: number): void {
    this.bytes.writeUInt32LE(value, this.length);
    this.length += 4;
  }

  private u64(value: number): void {
    const at = this.length;
    this.bytes.writeUInt32LE((value % TWO_TO_32) >>> 0, at);
    this.bytes.writeUInt32LE(Math.floor(value / TWO_TO_32), at + 4);
    this.length = at + 8;
  }

  private i64(value: number): void {
    const high = Math.floor(value / TWO_TO_32);
    const at = this.length;
    this.bytes.writeUInt32LE(value - high * TWO_TO_32, at);
    this.bytes.writeInt32LE(high, at + 4);
    this.length = at + 8;
  }

  private attr(a: Attributes): void {
    this.u64(a.ino);
    this.u64(a.size);
    this.u64(a.blocks);
    this.i64(a.atime.seconds);
    this.i64(a.mtime.seconds);
    this.i64(a.ctime.seconds);
    this.u32(a.atime.nanoseconds);
    this.u32(a.mtime.nanoseconds);
    this.u32(a.ctime.nanoseconds);
    this.u32(a.mode);
    this.u32(a.nlink);
    this.u32(a.uid);
    this.u32(a.gid);
    this.u32(a.rdev);
    this.u32(PREFERRED_IO_BYTES);
    this.u32(0);
  }

  attributes(answer: AttributesAnswer): this {
    const ms = Math.max(0, answer.attributesMs);
    this.u64(Math.floor(ms / 1000));
    this.u32(nanosecondsOf(ms));
    this.u32(0);
    this.attr(answer.attributes);
    return this;
  }

  entry(answer: EntryAnswer): this {
    const a = answer.attributes;
    const entryMs = Math.max(0, answer.entryMs);
    const attributesMs = Math.max(0, answer.attributesMs);
    this.u64(a.ino);
    this.u64(a.generation);
    this.u64(Math.floor(entryMs / 1000));
    this.u64(Math.floor(attributesMs / 1000));
    this.u32(nanosecondsOf(entryMs));
    this.u32(nanosecondsOf(attributesMs));
    this.attr(a);
    return this;
  }

  /** An entry with inode 0: the name does not exist, and the kernel may remember that. */
  absent(ms: number): this {
    this.bytes.fill(0, this.length, this.length + Size.ENTRY_OUT);
    this.bytes.writeUInt32LE(Math.floor(ms / 1000), this.length + 16);
    this.bytes.writeUInt32LE(nanosecondsOf(ms), this.length + 32);
    this.length += Size.ENTRY_OUT;
    return this;
  }

  open(answer: OpenAnswer): this {
    this.u64(answer.fh);
    this.u32(
      (answer.directIo ? OpenReplyFlag.DIRECT_IO : 0) |
        (answer.keepCache ? OpenReplyFlag.KEEP_CACHE : 0) |
        (answer.noFlush ? OpenReplyFlag.NOFLUSH : 0),
    );
    this.u32(0);
    return this;
  }

  /** fuse_getxattr_out */
  size(bytes: number): this {
    return this.written(bytes);
  }

  /** fuse_lseek_out */
  offset(at: number): this {
    this.u64(at);
    return this;
  }

  written(bytes: number): this {
    this.u32(bytes);
    this.u32(0);
    return this;
  }

  /** fuse_lk_out: the lock in the way, or that there is none. */
  lock(conflict: Conflict | undefined): this {
    const { start, end, pid, type } = conflict ?? { start: 0, end: 0, pid: 0, type: undefined };
    this.u64(start);
    if (end === LOCK_TO_END) {
      this.u32(0xffff_ffff);
      this.u32(0x7fff_ffff);
    } else {
      this.u64(end);
    }
    this.u32(type === undefined ? LockType.UNLOCK : type === 'write' ? LockType.WRITE : LockType.READ);
    this.u32(pid);
    return this;
  }

  statistics(s: FileSystemStatistics): this {
    this.u64(s.blocks);
    this.u64(s.freeBlocks);
    this.u64(s.freeBlocks);
    this.u64(s.files);
    this.u64(s.freeFiles);
    this.u32(s.blockSize);
    this.u32(FileLimits.nameBytes);
    this.u32(s.blockSize);
    this.bytes.fill(0, this.length, this.length + 28);
    this.length += 28;
    return this;
  }

  init(fields: {
    major: number;
    minor: number;
    maxReadahead: number;
    flags: number;
    flags2: number;
    maxBackground: number;
    congestionThreshold: number;
    maxWrite: number;
    maxPages: number;
  }): this {
    const at = this.length;
    this.bytes.fill(0, at, at + Size.INIT_OUT);
    this.u32(fields.major);
    this.u32(fields.minor);
    this.u32(fields.maxReadahead);
    this.u32(fields.flags >>> 0);
    this.bytes.writeUInt16LE(fields.maxBackground, at + 16);
    this.bytes.writeUInt16LE(fields.congestionThreshold, at + 18);
    this.bytes.writeUInt32LE(fields.maxWrite, at + 20);
    this.bytes.writeUInt32LE(1, at + 24); // time_gran: nanoseconds
    this.bytes.writeUInt16LE(fields.maxPages, at + 28);
    this.bytes.writeUInt32LE(fields.flags2 >>> 0, at + 32);
    this.length = at + Size.INIT_OUT;
    return this;
  }

  /** Whether an entry of that name still fits into a listing of `limit` bytes. */
  fits(name: Uint8Array, plus: boolean, limit: number): boolean {
    const size = aligned((plus ? Size.ENTRY_OUT : 0) + Size.DIRENT_HEAD + name.length);
    return this.length - Size.OUT_HEADER + size <= Math.min(limit, LISTING_BYTES);
  }

  directoryEntry(entry: DirectoryEntry): this {
    const start = this.length;
    this.u64(entry.attributes.ino);
    this.u64(entry.cookie);
    this.u32(entry.name.length);
    this.u32((entry.attributes.mode & FileType.MASK) >>> 12);
    this.bytes.set(entry.name, this.length);
    const end = start + aligned(Size.DIRENT_HEAD + entry.name.length);
    this.bytes.fill(0, this.length + entry.name.length, end);
    this.length = end;
    return this;
  }

  /** `answer` undefined: listed, but the kernel makes no inode of it. */
  directoryEntryPlus(entry: DirectoryEntry, answer: EntryAnswer | undefined): this {
    if (answer) this.entry(answer);
    else this.absent(0);
    return this.directoryEntry(entry);
  }

  header(length: number, errno: number, uniqueLow: number, uniqueHigh: number): void {
    const b = this.bytes;
    b.writeUInt32LE(length, 0);
    b.writeInt32LE(-errno, 4);
    b.writeUInt32LE(uniqueLow, 8);
    b.writeUInt32LE(uniqueHigh, 12);
  }
}

const aligned = (size: number): number => (size + 7) & ~7;
const nanosecondsOf = (ms: number): number => Math.floor((ms % 1000) * 1e6);
