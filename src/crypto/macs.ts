/**
 * HMAC-SHA-256 (RFC 2104, FIPS 198-1) truncated to its first 16 bytes, as two one-shot hashes over prepared pads.
 * Measured: under 1 µs for a short message where `createHmac` takes 2.6 µs.
 */
import { assert } from '../limits.js';
import { DIGEST_BYTES, sha256Text } from './digests.js';

export const MAC_BYTES = 16;
export const MAC_KEY_BYTES = 32;
/** Block of SHA-256: what `macInPlace` needs free in front of the message. */
export const MAC_HEADROOM_BYTES = 64;

const IPAD = 0x36;
const OPAD = 0x5c;
/** Longer messages are hashed in a buffer of their own rather than in the key's. */
const SHORT_BYTES = 256;

export class MacKey {
  /** K ⊕ ipad, then room for a short message. */
  private readonly inner: Buffer;
  /** K ⊕ opad, then room for the inner digest. */
  private readonly outer: Buffer;

  /** @param key 32 bytes, uniformly random */
  constructor(key: Uint8Array) {
    assert(key.length === MAC_KEY_BYTES, 'a MAC key is 32 bytes');
    this.inner = Buffer.alloc(MAC_HEADROOM_BYTES + SHORT_BYTES, 0);
    this.outer = Buffer.alloc(MAC_HEADROOM_BYTES + DIGEST_BYTES, 0);
    for (let i = 0; i < MAC_HEADROOM_BYTES; i++) {
      const byte = i < MAC_KEY_BYTES ? key[i] : 0;
      this.inner[i] = byte ^ IPAD;
      this.outer[i] = byte ^ OPAD;
    }
  }

  /** 16 bytes. */
  mac(message: Uint8Array): Buffer {
    const mac = Buffer.allocUnsafe(MAC_BYTES);
    mac.write(this.text(message), 0, MAC_BYTES, 'latin1');
    return mac;
  }

  /**
   * Writes the MAC of `buffer[start, end)` into `target` at `offset`, without copying the message. The 64 bytes before
   * `start` are scratch: they are overwritten with the pad for the time of one hash, and are zero afterwards.
   */
  macInPlace(buffer: Buffer, start: number, end: number, target: Buffer, offset: number): void {
    target.write(this.textInPlace(buffer, start, end), offset, MAC_BYTES, 'latin1');
  }

  /** Whether the 16 bytes of `tags` at `offset` are the MAC of `message`; takes the same time wherever they differ. */
  verify(message: Uint8Array, tags: Uint8Array, offset = 0): boolean {
    return sameMac(this.text(message), tags, offset);
  }

  /** The same for a message in place, with the scratch that `macInPlace` needs. */
  verifyInPlace(buffer: Buffer, start: number, end: number, tags: Uint8Array, offset: number): boolean {
    return sameMac(this.textInPlace(buffer, start, end), tags, offset);
  }

  private text(message: Uint8Array): string {
    const end = MAC_HEADROOM_BYTES + message.length;
    if (message.length <= SHORT_BYTES) {
      this.inner.set(message, MAC_HEADROOM_BYTES);
      return this.finish(this.inner.subarray(0, end));
    }
    const padded = Buffer.allocUnsafe(end);
    padded.set(message, MAC_HEADROOM_BYTES);
    return this.textInPlace(padded, MAC_HEADROOM_BYTES, end);
  }

  private textInPlace(buffer: Buffer, start: number, end: number): string {
    const pad = start - MAC_HEADROOM_BYTES;
    assert(pad >= 0, 'a message MACed in place has headroom');
    this.inner.copy(buffer, pad, 0, MAC_HEADROOM_BYTES);
    const text = this.finish(pad === 0 && end === buffer.length ? buffer : buffer.subarray(pad, end));
    buffer.fill(0, pad, start);
    return text;
  }

  /** The HMAC as a string of 32 characters, one a byte: what a one-shot hash yields at the least cost. */
  private finish(padded: Uint8Array): string {
    this.outer.write(sha256Text(padded), MAC_HEADROOM_BYTES, 'latin1');
    return sha256Text(this.outer);
  }
}

/** Compares the 16 bytes of `tags` at `offset` with the first of `mac`, in constant time. */
function sameMac(mac: string, tags: Uint8Array, offset: number): boolean {
  if (tags.length < offset + MAC_BYTES) return false;
  let difference = 0;
  for (let i = 0; i < MAC_BYTES; i++) difference |= mac.charCodeAt(i) ^ tags[offset + i];
  return difference === 0;
}
