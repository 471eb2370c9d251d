/** What benchmarks write: bytes that are known from a number, so that whatever is read back can be checked. */
import { BenchmarkError } from './errors.js';
import { Random } from './random.js';

const POOL_BYTES = 1 << 20;

/** As the numbers of two files are almost never the same distance apart in the pool, one's bytes are not the other's. */
const STRIDE = 7919 * 64 + 1;

export class Contents {
  private readonly pool: Buffer;

  /** @param longest bytes of one content */
  constructor(
    seed: number,
    private readonly longest: number,
  ) {
    const random = new Random(seed);
    const pool = Buffer.alloc(POOL_BYTES);
    for (let at = 0; at < POOL_BYTES; at += 4) pool.writeUInt32LE(random.next(), at);
    // It goes on as it begins, so that no content ends within it.
    this.pool = Buffer.concat([pool, ...Array.from({ length: Math.ceil(longest / POOL_BYTES) }, () => pool)]);
  }

  /** Bytes from … to of content `number`: a view, not to be changed. */
  of(number: number, from: number, to: number): Buffer {
    const start = (number * STRIDE) % POOL_BYTES;
    if (to > this.longest) throw new RangeError(`byte ${to} of a content of ${this.longest}`);
    return this.pool.subarray(start + from, start + to);
  }

  /** @param from where in content `number` what was read begins. @throws BenchmarkError, telling the first byte that is wrong */
  check(path: string, read: Buffer, number: number, from: number, to: number): void {
    const written = this.of(number, from, to);
    if (read.equals(written)) return;
    if (read.length !== written.length) {
      throw new BenchmarkError(`${path}: ${read.length} bytes read back, ${written.length} written`);
    }
    const at = written.findIndex((byte, i) => read[i] !== byte);
    throw new BenchmarkError(`${path}: read back other than written, from byte ${from + at} on`);
  }
}
