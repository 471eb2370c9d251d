/** Queries and answers of state transfer in canonical bytes. Neither is trusted: what is malformed parses to undefined. */
import { ByteReader, ByteWriter, MalformedBytes } from '../../src/bytes.js';
import { assert, Limits } from '../../src/limits.js';
import { KEY_BYTES, LARGEST_NODE_BYTES, type Octets, octets } from '../../src/merkle/index.js';
import type { SequenceNumber } from '../../src/pbft/messages.js';
import { LARGEST_ROW_BYTES } from './row-bytes.js';

/** Most bytes of an answer; it has at least one piece. */
export const ANSWER_BYTES = Limits.stateAnswerBytes;
/** Most pieces of a query: some 10 ms of work for the source. */
export const QUERY_PIECES = 256;
const LARGEST_PIECE_BYTES = Math.max(LARGEST_ROW_BYTES, LARGEST_NODE_BYTES);

assert(LARGEST_PIECE_BYTES + 4 <= ANSWER_BYTES, 'every piece fits in an answer');
assert(8 + QUERY_PIECES * (KEY_BYTES + 1) <= Limits.stateQueryBytes, 'every query fits in a message');

/** A node by its prefix, or, where that is as long as a key, a row. */
export type PieceName = Octets;
export const isRow = (name: PieceName): boolean => name.length === KEY_BYTES;

export interface Query {
  checkpoint: SequenceNumber;
  names: PieceName[];
}

export function encodeQuery({ checkpoint, names }: Query): Buffer {
  const w = new ByteWriter(8 + names.length * (KEY_BYTES + 1)).u64(checkpoint);
  for (const name of names) w.u8(name.length).raw(Buffer.from(name, 'latin1'));
  return w.finish();
}

export function decodeQuery(bytes: Uint8Array): Query | undefined {
  return unlessMalformed(() => {
    const r = new ByteReader(bytes);
    const checkpoint = r.u64();
    const names: PieceName[] = [];
    while (r.remaining > 0) {
      const length = r.u8();
      if (length > KEY_BYTES || names.length === QUERY_PIECES) throw new MalformedBytes('no name of a piece');
      names.push(octets(r.raw(length)));
    }
    return { checkpoint, names };
  });
}

/** The first pieces of those that were asked for, as many as fit. */
export function encodeAnswer(pieces: Iterable<Buffer>): Buffer {
  const w = new ByteWriter(64 * 1024);
  let bytes = 0;
  for (const piece of pieces) {
    bytes += 4 + piece.length;
    if (bytes > ANSWER_BYTES) break;
    w.bytes(piece);
  }
  return w.finish();
}

/** @param most pieces that were asked for */
export function decodeAnswer(bytes: Uint8Array, most: number): Buffer[] | undefined {
  if (bytes.length > ANSWER_BYTES) return undefined;
  return unlessMalformed(() => {
    const r = new ByteReader(bytes);
    const pieces: Buffer[] = [];
    while (r.remaining > 0) {
      if (pieces.length === most) throw new MalformedBytes('more than was asked for');
      pieces.push(r.bytes(LARGEST_PIECE_BYTES));
    }
    return pieces;
  });
}

function unlessMalformed<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof MalformedBytes) return undefined;
    throw error;
  }
}
