/**
 * One file of the journal: a header, then frames of
 *
 *     length of the payload (u32) ‖ CRC-32 of the payload, continued from the frame before (u32)
 *     ‖ CRC-32 of those eight bytes (u32) ‖ payload
 *
 * The running checksum ties each record to all before it, so that a stale or misplaced one is not taken for a record.
 * The header's own checksum tells a record cut short by a crash from one whose length was damaged later: the first may
 * be dropped, for it was never acted upon; the second hides votes that were sent, and the replica must not start.
 */
import fs from 'node:fs';
import { crc32 } from 'node:zlib';
import type { SequenceNumber } from '../../src/pbft/messages.js';
import { JournalError } from './errors.js';

const MAGIC = Buffer.from('byzfs-journal-1\n', 'latin1');
export const HEADER_BYTES = 16 + 32 + 4 + 8 + 4;
export const FRAME_BYTES = 12;

export interface SegmentOwner {
  clusterId: Buffer;
  replica: number;
}

/** A segment that is open. */
export interface Segment {
  number: number;
  path: string;
  fd: number;
  bytes: number;
  /** Highest sequence number that a record in it votes on. */
  maxSequence: SequenceNumber;
}

export interface Frame {
  /** Of the payload in the file. */
  offset: number;
  payload: Buffer;
}

export const segmentName = (number: number): string => `${String(number).padStart(8, '0')}.journal`;

function encodeHeader(owner: SegmentOwner, number: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header, 0);
  owner.clusterId.copy(header, 16);
  header.writeUInt32BE(owner.replica, 48);
  header.writeUInt32BE(Math.floor(number / 2 ** 32), 52);
  header.writeUInt32BE(number % 2 ** 32, 56);
  header.writeUInt32BE(crc32(header.subarray(0, HEADER_BYTES - 4)), HEADER_BYTES - 4);
  return header;
}

/** Makes an empty segment. @returns its descriptor and the checksum to continue from */
export function createSegment(path: string, owner: SegmentOwner, number: number): { fd: number; checksum: number } {
  const header = encodeHeader(owner, number);
  const fd = fs.openSync(path, 'wx+', 0o600);
  fs.writeSync(fd, header);
  return { fd, checksum: header.readUInt32BE(HEADER_BYTES - 4) };
}

export interface Scan {
  frames: Frame[];
  /** Where the sound part ends. */
  end: number;
  checksum: number;
  /** What follows the sound part is the beginning of a record whose writing was cut short. */
  torn: boolean;
}

/**
 * Reads a segment up to its end or its torn last record.
 * @param lostPower whatever is not sound was lost with the power, and nothing after it counts
 * @throws JournalError when it is another's, or damaged before its end
 */
export function scanSegment(
  path: string,
  bytes: Buffer,
  owner: SegmentOwner,
  number: number,
  lostPower: boolean,
): Scan {
  const header = encodeHeader(owner, number);
  if (bytes.length < HEADER_BYTES && header.subarray(0, bytes.length).equals(bytes)) {
    return { frames: [], end: 0, checksum: 0, torn: true };
  }
  if (lostPower && bytes.subarray(0, HEADER_BYTES).every((byte) => byte === 0)) {
    return { frames: [], end: 0, checksum: 0, torn: true };
  }
  if (!bytes.subarray(0, 16).equals(MAGIC)) throw new JournalError('foreign', `${path}: not a journal of this version`);
  if (!bytes.subarray(0, HEADER_BYTES).equals(header)) {
    throw new JournalError('foreign', `${path}: of another cluster or replica, or damaged in its header`);
  }
  const frames: Frame[] = [];
  let checksum = header.readUInt32BE(HEADER_BYTES - 4);
  let at = HEADER_BYTES;
  for (;;) {
    const payload = readFrame(bytes, at, checksum);
    if (payload === undefined) break;
    frames.push({ offset: at + FRAME_BYTES, payload });
    checksum = bytes.readUInt32BE(at + 4);
    at += FRAME_BYTES + payload.length;
  }
  if (at < bytes.length && !lostPower && !isTorn(bytes, at)) {
    throw new JournalError('corrupt', `${path}: damaged at byte ${at}: not a record that a crash cut short`);
  }
  return { frames, end: at, checksum, torn: at < bytes.length };
}

/** Writes the twelve bytes that stand before a payload. */
export function writeFrameHeader(target: Buffer, at: number, length: number, checksum: number): void {
  target.writeUInt32BE(length, at);
  target.writeUInt32BE(checksum, at + 4);
  target.writeUInt32BE(crc32(target.subarray(at, at + 8)), at + 8);
}

const headerIsSound = (bytes: Buffer, at: number): boolean =>
  at + FRAME_BYTES <= bytes.length && crc32(bytes.subarray(at, at + 8)) === bytes.readUInt32BE(at + 8);

function readFrame(bytes: Buffer, at: number, checksum: number): Buffer | undefined {
  if (!headerIsSound(bytes, at)) return undefined;
  const length = bytes.readUInt32BE(at);
  if (length === 0 || at + FRAME_BYTES + length > bytes.length) return undefined;
  const payload = bytes.subarray(at + FRAME_BYTES, at + FRAME_BYTES + length);
  return crc32(payload, checksum) === bytes.readUInt32BE(at + 4) ? payload : undefined;
}

/**
 * Whether what is at the end can be the last writes before a crash: one record cut short, or several of which the first
 * was, up to the end of the file or to zeros that a power loss left where the rest should be.
 */
function isTorn(bytes: Buffer, at: number): boolean {
  let written = bytes.length;
  while (written > at && bytes[written - 1] === 0) written--;
  if (written - at < FRAME_BYTES) return true;
  return headerIsSound(bytes, at) && at + FRAME_BYTES + bytes.readUInt32BE(at) >= written;
}
