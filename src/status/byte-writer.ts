import type { Writer } from '../cluster/digest.js';

/** `ByteWriter` of src/bytes.ts for what has no Buffer. */
export class PlainWriter implements Writer {
  private readonly written: number[] = [];

  private number(value: bigint, width: number): this {
    for (let shift = (width - 1) * 8; shift >= 0; shift -= 8) {
      this.written.push(Number((value >> BigInt(shift)) & 0xffn));
    }
    return this;
  }

  u8(value: number): this {
    return this.number(BigInt(value), 1);
  }

  bool(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  u16(value: number): this {
    return this.number(BigInt(value), 2);
  }

  u32(value: number): this {
    return this.number(BigInt(value), 4);
  }

  u64(value: number): this {
    return this.number(BigInt(value), 8);
  }

  raw(bytes: Uint8Array): this {
    for (const byte of bytes) this.written.push(byte);
    return this;
  }

  bytes(bytes: Uint8Array): this {
    return this.u32(bytes.length).raw(bytes);
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.written);
  }
}
