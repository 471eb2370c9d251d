/** The operations of the custody register and their results, in canonical bytes. Parties are the cluster's clients. */
import { ByteReader, ByteWriter, MalformedBytes } from '../../src/bytes.js';

const ITEM_BYTES = 200;
const NAMES = ['enter', 'offer', 'accept', 'query'] as const;

export type CustodyOperation =
  /** A new item, in the caller's custody. */
  | { op: 'enter' | 'accept' | 'query'; item: Uint8Array }
  /** By its holder. Takes the place of an earlier offer; to the holder itself it is none. */
  | { op: 'offer'; item: Uint8Array; to: number };

export const encodeCustody = (o: CustodyOperation): Buffer =>
  new ByteWriter()
    .u8(NAMES.indexOf(o.op))
    .bytes(o.item)
    .u32(o.op === 'offer' ? o.to : 0)
    .finish();

/** Undefined for what is no operation: a client may send anything. */
export function decodeCustody(bytes: Uint8Array): CustodyOperation | undefined {
  try {
    const r = new ByteReader(bytes);
    const [op, item, to] = [NAMES[r.u8()], r.bytes(ITEM_BYTES), r.u32()];
    r.end();
    if (op === undefined) return undefined;
    return op === 'offer' ? { op, item, to } : { op, item };
  } catch (error) {
    if (error instanceof MalformedBytes) return undefined;
    throw error;
  }
}

export interface Custody {
  holder: number;
  /** To whom the holder offers it; the holder itself: to nobody. */
  offeredTo: number;
  handovers: number;
}

export const encodeEntry = ({ holder, offeredTo, handovers }: Custody): Buffer =>
  new ByteWriter(16).u32(holder).u32(offeredTo).u64(handovers).finish();

export function decodeEntry(bytes: Uint8Array): Custody {
  const r = new ByteReader(bytes);
  return { holder: r.u32(), offeredTo: r.u32(), handovers: r.u64() };
}

/** Why an operation changed nothing. A result is one byte, 0 and the item's entry, or the position of a refusal here. */
export const REFUSALS = ['ok', 'malformed', 'unknown item', 'entered before', 'not the holder', 'not offered'] as const;
export type Refusal = Exclude<(typeof REFUSALS)[number], 'ok'>;

export const encodeOutcome = (outcome: Custody | Refusal): Buffer =>
  typeof outcome === 'string'
    ? Buffer.of(REFUSALS.indexOf(outcome))
    : Buffer.concat([Buffer.of(0), encodeEntry(outcome)]);

export const decodeOutcome = (bytes: Uint8Array): Custody | Refusal =>
  bytes[0] === 0 ? decodeEntry(bytes.subarray(1)) : (REFUSALS[bytes[0]] as Refusal);
