/**
 * One request of the kernel, read in place: a view of the buffer it arrived in, valid until the handler returns.
 * 64-bit numbers are read as safe integers where they are ours (inode numbers, file handles) or are compared with a
 * limit first (offsets, sizes: above 2^53 they are rounded, and far above any limit).
 */
import { LOCK_OWNER_BYTES, LOCK_TO_END, type LockRequest } from '../../../src/fileservice/locks.js';
import type { TimeUpdate } from '../../../src/fileservice/operations.js';
import type { AttributeChanges, Caller } from '../kernel.js';
import { LK_FLOCK, LockType, SetattrValid, Size } from './abi.js';

const TWO_TO_32 = 0x1_0000_0000;

const lockTypes: Readonly<Record<number, LockRequest['type']>> = {
  [LockType.READ]: 'read',
  [LockType.WRITE]: 'write',
  [LockType.UNLOCK]: 'unlock',
};

export class Request {
  opcode = 0;
  /** `unique` as two words: it is only ever copied back. */
  uniqueLow = 0;
  uniqueHigh = 0;
  ino = 0;
  private length = 0;

  constructor(private readonly buffer: Buffer) {}

  /** Takes the header of the `length` bytes now in the buffer. False if they are no request. */
  parse(length: number): boolean {
    const b = this.buffer;
    if (length < Size.IN_HEADER || b.readUInt32LE(0) !== length) return false;
    this.length = length;
    this.opcode = b.readUInt32LE(4);
    this.uniqueLow = b.readUInt32LE(8);
    this.uniqueHigh = b.readUInt32LE(12);
    this.ino = this.u64(-Size.IN_HEADER + 16);
    return true;
  }

  /** A fresh object: handlers keep it across their own awaits. */
  caller(): Caller {
    const b = this.buffer;
    return { uid: b.readUInt32LE(24), gid: b.readUInt32LE(28), pid: b.readUInt32LE(32) };
  }

  /** The bytes after the header. */
  get bodyLength(): number {
    return this.length - Size.IN_HEADER;
  }

  u32(at: number): number {
    return this.buffer.readUInt32LE(Size.IN_HEADER + at);
  }

  u64(at: number): number {
    const b = this.buffer;
    const start = Size.IN_HEADER + at;
    return b.readUInt32LE(start + 4) * TWO_TO_32 + b.readUInt32LE(start);
  }

  private i64(at: number): number {
    const b = this.buffer;
    const start = Size.IN_HEADER + at;
    return b.readInt32LE(start + 4) * TWO_TO_32 + b.readUInt32LE(start);
  }

  /** fuse_lk_in; undefined if its type is none. */
  lock(): LockRequest | undefined {
    const type = lockTypes[this.u32(32)];
    if (type === undefined) return undefined;
    const kind = this.u32(40) & LK_FLOCK ? 'flock' : 'posix';
    // The kernel says 2^63 - 1 for "to the end"; rounding may have put either bound past what a number tells apart.
    const start = Math.min(this.u64(16), LOCK_TO_END);
    return { kind, type, start, end: Math.min(this.u64(24), LOCK_TO_END), owner: this.lockOwner(8), pid: this.u32(36) };
  }

  /** 8 bytes that are only ever compared. */
  lockOwner(at: number): string {
    const start = Size.IN_HEADER + at;
    return this.buffer.toString('latin1', start, start + LOCK_OWNER_BYTES);
  }

  /** The zero-terminated name that starts at `at`. */
  name(at: number): string {
    const start = Size.IN_HEADER + at;
    const end = this.buffer.indexOf(0, start);
    return this.buffer.toString('latin1', start, end === -1 || end > this.length ? this.length : end);
  }

  /** Two names, one after the other, from `at` on. */
  names(at: number): [string, string] {
    const first = this.name(at);
    return [first, this.name(at + first.length + 1)];
  }

  data(at: number, length: number): Buffer {
    const start = Size.IN_HEADER + at;
    return this.buffer.subarray(start, Math.min(start + length, this.length));
  }

  /** fuse_setattr_in; undefined if it holds a time that is no safe integer. */
  attributeChanges(): AttributeChanges | undefined {
    const valid = this.u32(0);
    const changes: AttributeChanges = {};
    if (valid & SetattrValid.MODE) changes.mode = this.u32(68) & 0o7777;
    if (valid & SetattrValid.UID) changes.uid = this.u32(76);
    if (valid & SetattrValid.GID) changes.gid = this.u32(80);
    if (valid & SetattrValid.SIZE) changes.size = this.u64(16);
    if (valid & SetattrValid.ATIME) {
      changes.atime = valid & SetattrValid.ATIME_NOW ? 'now' : this.time(32, 56);
      if (changes.atime === undefined) return undefined;
    }
    if (valid & SetattrValid.MTIME) {
      changes.mtime = valid & SetattrValid.MTIME_NOW ? 'now' : this.time(40, 60);
      if (changes.mtime === undefined) return undefined;
    }
    if (valid & SetattrValid.KILL_SUIDGID) changes.killPrivileges = true;
    return changes;
  }

  private time(secondsAt: number, nanosecondsAt: number): TimeUpdate | undefined {
    const seconds = this.i64(secondsAt);
    const nanoseconds = this.u32(nanosecondsAt);
    return Number.isSafeInteger(seconds) && nanoseconds < 1_000_000_000 ? { seconds, nanoseconds } : undefined;
  }

  /** The file handle of fuse_setattr_in, if it has one. */
  setattrFileHandle(): number | undefined {
    return this.u32(0) & SetattrValid.FH ? this.u64(8) : undefined;
  }
}
