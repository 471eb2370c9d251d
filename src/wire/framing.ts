/**
 * Frames on a link:
 *
 *     length of the body (u32) ‖ MAC or AEAD tag (16) ‖ body, encrypted or not
 *     body: frame kind (u8) ‖ items, each a length (u32) and that many bytes
 *
 * Where the link is encrypted the body is, under a nonce that is the frame's number on the link, which is counted and not
 * sent. The length of a frame, and when it is sent, is all that is seen on the way. Otherwise the MAC covers that number
 * and the body, with the digest of each item above LARGE_BYTES in place of the item. Under keys of one direction of one
 * connection a frame that is changed, dropped, repeated, reordered or sent back therefore fails. Whatever is coalesced, a
 * frame costs one MAC or tag; a large message sent in the clear to many links is hashed once and copied nowhere.
 */
import { AEAD_TAG_BYTES, AeadKey } from '../crypto/aead.js';
import { sha256 } from '../crypto/digests.js';
import { MAC_BYTES, MAC_HEADROOM_BYTES, type MacKey } from '../crypto/macs.js';
import type { FrameKey } from '../crypto/session-keys.js';
import { assert, Limits } from '../limits.js';

export const FrameKind = {
  /** Items are messages (codec.ts). */
  Messages: 0,
  /** Nothing, to show that the sender is there. */
  Heartbeat: 1,
  /** A change of session keys: net/rekey.ts. */
  RekeyOffer: 2,
  RekeyAccept: 3,
  /** The dialer's last frame under its old key. */
  RekeyDone: 4,
} as const;

/** Above it an item is MACed by its digest and written from where it lies. */
export const LARGE_BYTES = 2048;

const HEADER_BYTES = 4 + MAC_BYTES;
const COUNTER_BYTES = 8;
/** In a frame's buffer: the MAC pad, the counter, the body. The header is put where the counter and the pad end were. */
const BODY_AT = MAC_HEADROOM_BYTES + COUNTER_BYTES;
const HEADER_AT = BODY_AT - HEADER_BYTES;
const DIGEST_BYTES = 32;

/** Bytes that an item adds to a frame. */
export const itemBytes = (item: Uint8Array): number => 4 + item.length;
/** What the items of one frame may add up to. */
export const FRAME_ITEM_BYTES = Limits.frameBytes - 1;
/** Items of one frame: a peer must not make millions of objects with one. */
export const FRAME_ITEMS = 16_384;

/** A message that goes to several links is the same buffer there: hashed for the first, remembered for the others. */
const digestsOfLargeItems = new WeakMap<Uint8Array, Buffer>();

function digestOfLarge(item: Uint8Array): Buffer {
  let digest = digestsOfLargeItems.get(item);
  if (digest === undefined) {
    digest = sha256(item);
    digestsOfLargeItems.set(item, digest);
  }
  return digest;
}

function putCounter(buffer: Buffer, counter: number): void {
  buffer.writeUInt32BE(Math.floor(counter / 0x1_0000_0000), MAC_HEADROOM_BYTES);
  buffer.writeUInt32BE(counter % 0x1_0000_0000, MAC_HEADROOM_BYTES + 4);
}

assert(AEAD_TAG_BYTES === MAC_BYTES, 'headers are the same in both kinds of frame');

/** What the MAC covers where some items are large: a copy of the frame with a digest in the place of each of them. */
function withDigests(kind: number, items: readonly Uint8Array[], bytes: number): Buffer {
  const covered = Buffer.allocUnsafe(bytes);
  covered[BODY_AT] = kind;
  let at = BODY_AT + 1;
  for (const item of items) {
    covered.writeUInt32BE(item.length, at);
    const content = item.length > LARGE_BYTES ? digestOfLarge(item) : item;
    covered.set(content, at + 4);
    at += 4 + content.length;
  }
  return covered;
}

/** Makes the frames of one direction. */
export class FrameSealer {
  private counter = 0;

  constructor(private key: FrameKey) {}

  /** Frames from now on are under `key`, counted from 0. */
  rekey(key: FrameKey): void {
    this.key = key;
    this.counter = 0;
  }

  /**
   * The pieces of one frame, to be written in order. In the clear, items above LARGE_BYTES are pieces themselves: not to
   * be changed.
   */
  seal(kind: number, items: readonly Uint8Array[]): Uint8Array[] {
    assert(items.length <= FRAME_ITEMS, 'a frame is within its limits');
    return this.key instanceof AeadKey ? [this.encrypted(this.key, kind, items)] : this.clear(this.key, kind, items);
  }

  private encrypted(key: AeadKey, kind: number, items: readonly Uint8Array[]): Buffer {
    let bodyBytes = 1;
    for (const item of items) bodyBytes += itemBytes(item);
    assert(bodyBytes <= Limits.frameBytes, 'a frame is within its limits');
    const frame = Buffer.allocUnsafe(BODY_AT + bodyBytes);
    frame[BODY_AT] = kind;
    writeItems(frame, items);
    frame.writeUInt32BE(bodyBytes, HEADER_AT);
    key.seal(frame.subarray(BODY_AT), frame.subarray(HEADER_AT + 4, BODY_AT), this.counter++);
    return frame.subarray(HEADER_AT);
  }

  private clear(key: MacKey, kind: number, items: readonly Uint8Array[]): Uint8Array[] {
    let bodyBytes = 1;
    let largeBytes = 0;
    let largeItems = 0;
    for (const item of items) {
      bodyBytes += itemBytes(item);
      if (item.length > LARGE_BYTES) {
        largeBytes += item.length;
        largeItems++;
      }
    }
    assert(bodyBytes <= Limits.frameBytes, 'a frame is within its limits');
    const frame = Buffer.allocUnsafe(BODY_AT + bodyBytes - largeBytes);
    frame[BODY_AT] = kind;
    if (largeItems === 0) writeItems(frame, items);
    const covered = largeItems === 0 ? frame : withDigests(kind, items, frame.length + largeItems * DIGEST_BYTES);
    putCounter(covered, this.counter++);
    key.macInPlace(covered, MAC_HEADROOM_BYTES, covered.length, frame, HEADER_AT + 4);
    frame.writeUInt32BE(bodyBytes, HEADER_AT);
    return largeItems === 0 ? [frame.subarray(HEADER_AT)] : interleave(frame, items);
  }
}

function writeItems(frame: Buffer, items: readonly Uint8Array[]): void {
  let at = BODY_AT + 1;
  for (const item of items) {
    frame.writeUInt32BE(item.length, at);
    frame.set(item, at + 4);
    at += 4 + item.length;
  }
}

/** `frame` holds the header, and gets lengths and small items; between its parts lie the large ones. */
function interleave(frame: Buffer, items: readonly Uint8Array[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let from = HEADER_AT;
  let at = BODY_AT + 1;
  for (const item of items) {
    frame.writeUInt32BE(item.length, at);
    at += 4;
    if (item.length > LARGE_BYTES) {
      pieces.push(frame.subarray(from, at), item);
      from = at;
    } else {
      frame.set(item, at);
      at += item.length;
    }
  }
  if (at > from) pieces.push(frame.subarray(from, at));
  return pieces;
}

/** Why a stream of frames cannot go on: after any of these nothing that follows can be trusted. */
export type FrameFault = 'oversized-frame' | 'malformed-frame' | 'bad-mac';

/** Takes the bytes of one direction as they come and yields the frames that are authentic. */
export class FrameOpener {
  private counter = 0;
  private stopped = false;
  private readonly header = Buffer.alloc(HEADER_BYTES);
  private headerFilled = 0;
  /** The frame being received, BODY_AT bytes of headroom first; undefined between frames. */
  private frame: Buffer | undefined;
  private frameFilled = 0;

  /** @param onFrame items are views of a buffer that is made for this frame alone, and belongs to the receiver */
  constructor(
    private key: FrameKey,
    private readonly onFrame: (kind: number, items: Buffer[]) => void,
  ) {}

  /** Frames after the one that is being handled are under `key`, counted from 0. */
  rekey(key: FrameKey): void {
    this.key = key;
    this.counter = 0;
  }

  /** No further frame is yielded, not even those of the chunk at hand. */
  stop(): void {
    this.stopped = true;
    this.frame = undefined;
  }

  /** Calls `onFrame` for every frame that `chunk` completes. After a fault the opener is stopped. */
  feed(chunk: Buffer): FrameFault | undefined {
    let at = 0;
    while (at < chunk.length && !this.stopped) {
      if (this.frame === undefined) {
        const taken = chunk.copy(this.header, this.headerFilled, at);
        at += taken;
        this.headerFilled += taken;
        if (this.headerFilled < HEADER_BYTES) return undefined;
        const bodyBytes = this.header.readUInt32BE(0);
        // Checked before there is a buffer for it.
        if (bodyBytes > Limits.frameBytes) return this.fault('oversized-frame');
        if (bodyBytes === 0) return this.fault('malformed-frame');
        this.frame = Buffer.allocUnsafe(BODY_AT + bodyBytes);
        this.frameFilled = BODY_AT;
      }
      const taken = chunk.copy(this.frame, this.frameFilled, at);
      at += taken;
      this.frameFilled += taken;
      if (this.frameFilled < this.frame.length) return undefined;
      const frame = this.frame;
      this.frame = undefined;
      this.headerFilled = 0;
      const fault = this.open(frame);
      if (fault !== undefined) return this.fault(fault);
    }
    return undefined;
  }

  private fault(fault: FrameFault): FrameFault {
    this.stop();
    return fault;
  }

  private open(frame: Buffer): FrameFault | undefined {
    const { key, header } = this;
    if (key instanceof AeadKey && !key.open(frame.subarray(BODY_AT), header.subarray(4), this.counter))
      return 'bad-mac';
    const items: Buffer[] = [];
    let largeItems = 0;
    let coveredBytes = frame.length;
    for (let at = BODY_AT + 1; at < frame.length; ) {
      if (at + 4 > frame.length || items.length === FRAME_ITEMS) return 'malformed-frame';
      const length = frame.readUInt32BE(at);
      at += 4;
      if (length > frame.length - at) return 'malformed-frame';
      items.push(frame.subarray(at, at + length));
      at += length;
      if (length > LARGE_BYTES) {
        largeItems++;
        coveredBytes += DIGEST_BYTES - length;
      }
    }
    if (!(key instanceof AeadKey)) {
      const covered = largeItems === 0 ? frame : withDigests(frame[BODY_AT], items, coveredBytes);
      putCounter(covered, this.counter);
      if (!key.verifyInPlace(covered, MAC_HEADROOM_BYTES, covered.length, header, 4)) return 'bad-mac';
    }
    this.counter++;
    this.onFrame(frame[BODY_AT], items);
    return undefined;
  }
}
