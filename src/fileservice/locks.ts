/** Advisory locks as the service knows them: fcntl(2) F_SETLK and flock(2). */
import { type ByteReader, type ByteWriter, MalformedBytes } from '../bytes.js';

/** The two do not see each other, as on a local file system of Linux. */
export type LockKind = 'posix' | 'flock';

/** The last byte that a lock can name: it stands for the end of the file, however far that moves. */
export const LOCK_TO_END = Number.MAX_SAFE_INTEGER;

export const LOCK_OWNER_BYTES = 8;

/** Bytes `start` to `end`, both of them included. */
export interface LockRange {
  start: number;
  end: number;
}

/** What one owner asks for, of a session that the call's own is. `unlock` drops what it holds in the range. */
export interface LockRequest extends LockRange {
  kind: LockKind;
  type: 'read' | 'write' | 'unlock';
  /** Who of the mount holds it: 8 bytes, a character each. Of flock an open file, of fcntl a process. */
  owner: string;
  /** Shown to others by F_GETLK. */
  pid: number;
}

/** A lock in the way of another, as F_GETLK shows it. */
export interface Conflict extends LockRange {
  type: 'read' | 'write';
  /** 0 where the process is not of the mount that asks. */
  pid: number;
}

const KINDS: readonly LockKind[] = ['posix', 'flock'];
const TYPES: readonly LockRequest['type'][] = ['read', 'write', 'unlock'];

function member<T>(of: readonly T[], number: number): T {
  if (number >= of.length) throw new MalformedBytes(`lock number ${number}`);
  return of[number];
}

export function writeRange(w: ByteWriter, { start, end }: LockRange): void {
  w.u64(start).u64(end);
}

export function readRange(r: ByteReader): LockRange {
  const range = { start: r.u64(), end: r.u64() };
  if (range.start > range.end) throw new MalformedBytes('a lock that ends before it starts');
  return range;
}

export const writeKind = (w: ByteWriter, kind: LockKind): void => void w.u8(KINDS.indexOf(kind));
export const readKind = (r: ByteReader): LockKind => member(KINDS, r.u8());
export const writeType = (w: ByteWriter, type: LockRequest['type']): void => void w.u8(TYPES.indexOf(type));

/** The type of a lock that is held. */
export function readHeldType(r: ByteReader): 'read' | 'write' {
  const type = member(TYPES, r.u8());
  if (type === 'unlock') throw new MalformedBytes('a lock that is none');
  return type;
}

export function writeOwner(w: ByteWriter, owner: string): void {
  w.raw(Buffer.from(owner, 'latin1'));
}

export const readOwner = (r: ByteReader): string => Buffer.from(r.raw(LOCK_OWNER_BYTES)).toString('latin1');

export function writeLockRequest(w: ByteWriter, request: LockRequest): void {
  writeKind(w, request.kind);
  writeType(w, request.type);
  writeRange(w, request);
  writeOwner(w, request.owner);
  w.u32(request.pid);
}

export function readLockRequest(r: ByteReader): LockRequest {
  const kind = readKind(r);
  const type = member(TYPES, r.u8());
  return { kind, type, ...readRange(r), owner: readOwner(r), pid: r.u32() };
}
