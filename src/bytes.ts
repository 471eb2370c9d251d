/**
 * Canonical byte strings: big-endian, fixed-width integers and length-prefixed bytes, in the manner of XDR
 * (RFC 4506) without its padding. One value has exactly one encoding, and a decoder accepts nothing else:
 * replies are compared by digest, so two correct replicas must produce the same bytes.
 */

/** The bytes are not an encoding of what was asked for. A peer's fault, never ours. */
export class MalformedBytes extends Error {
  override name = 'MalformedBytes';
}

const TWO_TO_32 = 0x1_0000_0000;

/** An append-only buffer that grows by doubling. Not reusable after `finish`. */
export class ByteWriter {
  private buffer: Buffer;
  private at = 0;

  constructor(initialCapacity = 256) {
    this.buffer = Buffer.allocUnsafe(initialCapacity);
  }

  private reserve(size: number): number {
    const at = this.at;
    const end = at + size;
    if (end > this.buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(end, this.buffer.length * 2));
      this.buffer.copy(larger, 0, 0, at);
      this.buffer = larger;
    }
    this.at = end;
    return at;
  }

  u8(value: number): this {
    const at = this.reserve(1);
    this.buffer[at] = value;
    return this;
  }

  bool(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  u16(value: number): this {
    const at = this.reserve(2);
    this.buffer.writeUInt16BE(value, at);
    return this;
  }

  u32(value: number): this {
    const at = this.reserve(4);
    this.buffer.writeUInt32BE(value, at);
    return this;
  }

  /** An unsigned 64-bit field holding a safe integer, 0 ≤ value < 2^53. */
  u64(value: number): this {
    const at = this.reserve(8);
    this.buffer.writeUInt32BE(Math.floor(value / TWO_TO_32), at);
    this.buffer.writeUInt32BE((value % TWO_TO_32) >>> 0, at + 4);
    return this;
  }

  /** A signed 64-bit field (two's complement) holding a safe integer: seconds before 1970 are negative. */
  i64(value: number): this {
    const high = Math.floor(value / TWO_TO_32);
    const at = this.reserve(8);
    this.buffer.writeInt32BE(high, at);
    this.buffer.writeUInt32BE(value - high * TWO_TO_32, at + 4);
    return this;
  }

  /** Bytes of a length known to the reader. */
  raw(bytes: Uint8Array): this {
    const at = this.reserve(bytes.length);
    this.buffer.set(bytes, at);
    return this;
  }

  /** A 32-bit length and that many bytes. */
  bytes(bytes: Uint8Array): this {
    return this.u32(bytes.length).raw(bytes);
  }

  finish(): Buffer {
    return this.buffer.subarray(0, this.at);
  }
}

/** Reads what `ByteWriter` wrote; throws `MalformedBytes` on anything short, long or non-canonical. */
export class ByteReader {
  private readonly buffer: Buffer;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  private take(size: number): number {
    const at = this.at;
    if (at + size > this.buffer.length)
      throw new MalformedBytes(`${size} bytes wanted at ${at} of ${this.buffer.length}`);
    this.at = at + size;
    return at;
  }

  get remaining(): number {
    return this.buffer.length - this.at;
  }

  u8(): number {
    return this.buffer[this.take(1)];
  }

  bool(): boolean {
    const value = this.u8();
    if (value > 1) throw new MalformedBytes(`boolean is ${value}`);
    return value === 1;
  }

  u16(): number {
    return this.buffer.readUInt16BE(this.take(2));
  }

  u32(): number {
    return this.buffer.readUInt32BE(this.take(4));
  }

  u64(): number {
    const at = this.take(8);
    const high = this.buffer.readUInt32BE(at);
    if (high >= 0x20_0000) throw new MalformedBytes('integer above 2^53');
    return high * TWO_TO_32 + this.buffer.readUInt32BE(at + 4);
  }

  i64(): number {
    const at = this.take(8);
    const high = this.buffer.readInt32BE(at);
    if (high >= 0x20_0000 || high < -0x20_0000) throw new MalformedBytes('integer beyond 2^53');
    return high * TWO_TO_32 + this.buffer.readUInt32BE(at + 4);
  }

  /** A view of the input, not a copy: valid as long as the input is. */
  raw(length: number): Buffer {
    const at = this.take(length);
    return this.buffer.subarray(at, at + length);
  }

  bytes(limit: number): Buffer {
    const length = this.u32();
    if (length > limit) throw new MalformedBytes(`${length} bytes where at most ${limit} are allowed`);
    return this.raw(length);
  }

  end(): void {
    if (this.remaining !== 0) throw new MalformedBytes(`${this.remaining} bytes left over`);
  }
}
