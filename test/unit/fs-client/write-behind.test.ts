import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Node } from '../../../fs-client/cache/node.js';
import { EXTENT_BYTES, type Extent, WriteBehind } from '../../../fs-client/cache/write-behind.js';

const PLAIN = { append: false, killPrivileges: false };
const APPEND = { append: true, killPrivileges: false };

/** A service whose calls finish when the test says so. */
class Service {
  readonly sent: Extent<string>[] = [];
  private readonly waiting = new Map<Extent<string>, () => void>();
  readonly writes = new WriteBehind<string>(
    (extent) =>
      new Promise((resolve) => {
        this.sent.push(extent);
        this.waiting.set(extent, resolve);
      }),
  );

  get outstanding(): Extent<string>[] {
    return [...this.waiting.keys()];
  }

  async finish(extent: Extent<string>): Promise<void> {
    this.waiting.get(extent)!();
    this.waiting.delete(extent);
    for (let i = 0; i < 10; i++) await Promise.resolve();
  }

  async finishAll(): Promise<void> {
    while (this.waiting.size > 0) await this.finish(this.outstanding[0]);
  }
}

const node = (ino = 2) => new Node({ ino, generation: 1 });
const places = (extents: readonly Extent<string>[]) => extents.map((e) => [e.offset, e.length]);

describe('write-behind', () => {
  let service: Service;
  let writes: WriteBehind<string>;
  let file: Node;
  beforeEach(() => {
    vi.useFakeTimers();
    service = new Service();
    writes = service.writes;
    file = node();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('makes one extent of adjacent writes', async () => {
    writes.write('a', file, 0, Buffer.from('one '), PLAIN);
    writes.write('a', file, 4, Buffer.from('two'), PLAIN);
    expect(service.sent).toEqual([]);
    expect(writes.end(file)).toBe(7);
    const flushed = writes.flush(file);
    expect(service.sent.map((e) => e.data.toString())).toEqual(['one two']);
    await service.finishAll();
    await flushed;
    expect(writes.isDirty(file)).toBe(false);
  });

  it('copies: the caller may use its buffer again', async () => {
    const buffer = Buffer.from('good');
    writes.write('a', file, 0, buffer, PLAIN);
    buffer.fill('x');
    void writes.flush(file);
    expect(service.sent[0].data.toString()).toBe('good');
  });

  it('ends extents at multiples of their size in the file', () => {
    writes.write('a', file, 1000, Buffer.alloc(2 * EXTENT_BYTES), PLAIN);
    expect(places(service.sent)).toEqual([
      [1000, EXTENT_BYTES - 1000],
      [EXTENT_BYTES, EXTENT_BYTES],
    ]);
    void writes.flush(file);
    expect(places(service.sent)[2]).toEqual([2 * EXTENT_BYTES, 1000]);
  });

  it('does not mix open files, nor what needs different flags', () => {
    writes.write('a', file, 0, Buffer.alloc(10), PLAIN);
    writes.write('b', file, 10, Buffer.alloc(10), PLAIN);
    writes.write('b', file, 20, Buffer.alloc(10), { append: false, killPrivileges: true });
    void writes.flush(file);
    expect(service.sent.map((e) => [e.file, e.offset, e.killPrivileges])).toEqual([
      ['a', 0, false],
      ['b', 10, false],
      ['b', 20, true],
    ]);
  });

  it('sends an overlapping extent after the earlier one', async () => {
    writes.write('a', file, 0, Buffer.alloc(100, 1), PLAIN);
    void writes.flush(file);
    writes.write('a', file, 50, Buffer.alloc(100, 2), PLAIN);
    void writes.flush(file);
    writes.write('a', file, 500, Buffer.alloc(10, 3), PLAIN);
    void writes.flush(file);
    expect(places(service.sent)).toEqual([
      [0, 100],
      [500, 10],
    ]);
    await service.finish(service.sent[0]);
    expect(places(service.sent)[2]).toEqual([50, 100]);
  });

  it('sends appends one at a time, and what comes after them after them', async () => {
    writes.write('a', file, 0, Buffer.alloc(EXTENT_BYTES), APPEND);
    writes.write('a', file, EXTENT_BYTES, Buffer.alloc(10), APPEND);
    void writes.flush(file);
    writes.write('a', file, 9_000_000, Buffer.alloc(10), PLAIN);
    void writes.flush(file);
    expect(service.sent.length).toBe(1);
    await service.finish(service.sent[0]);
    expect(service.sent.length).toBe(2);
    await service.finish(service.sent[1]);
    expect(service.sent.length).toBe(3);
  });

  it('sends old data without being asked', async () => {
    writes.write('a', file, 0, Buffer.from('x'), PLAIN);
    await vi.advanceTimersByTimeAsync(500);
    expect(service.sent).toEqual([]);
    await vi.advanceTimersByTimeAsync(600);
    expect(service.sent.length).toBe(1);
  });

  it('flush waits for what was held when it was called, not for what comes later', async () => {
    writes.write('a', file, 0, Buffer.from('x'), PLAIN);
    let flushed = false;
    void writes.flush(file).then(() => {
      flushed = true;
    });
    writes.write('a', file, 100, Buffer.from('y'), PLAIN);
    await service.finishAll();
    expect(flushed).toBe(true);
    expect(writes.isDirty(file)).toBe(true);
  });

  it('drops what was not sent of a file that is gone', async () => {
    writes.write('a', file, 0, Buffer.from('x'), PLAIN);
    void writes.flush(file);
    writes.write('a', file, 10, Buffer.from('y'), PLAIN);
    writes.discard(file);
    await service.finishAll();
    expect(service.sent.length).toBe(1);
    expect(writes.isDirty(file)).toBe(false);
  });

  it('keeps the writer waiting while too much is held, and bounds what is outstanding', async () => {
    let waiting: Promise<void> | undefined;
    let offset = 0;
    while (waiting === undefined) {
      waiting = writes.write('a', file, offset, Buffer.alloc(EXTENT_BYTES), PLAIN);
      offset += EXTENT_BYTES;
      expect(offset).toBeLessThanOrEqual(32 * 1024 * 1024);
    }
    expect(service.outstanding.length).toBeLessThanOrEqual(32);
    let resumed = false;
    void waiting.then(() => {
      resumed = true;
    });
    await Promise.resolve();
    expect(resumed).toBe(false);
    await service.finish(service.outstanding[0]);
    expect(resumed).toBe(true);
    const flushed = writes.flush(file);
    await service.finishAll();
    await flushed;
    expect(service.sent.length).toBe(offset / EXTENT_BYTES);
  });

  it('serves every file when many wait', async () => {
    const nodes = Array.from({ length: 100 }, (_, i) => node(i + 2));
    for (const n of nodes) {
      writes.write('a', n, 0, Buffer.from('x'), PLAIN);
      void writes.flush(n);
    }
    expect(service.outstanding.length).toBe(32);
    await service.finishAll();
    expect(service.sent.length).toBe(100);
    for (const n of nodes) expect(writes.isDirty(n)).toBe(false);
  });

  it('leaves the file as the writes in their order do, in whatever order calls are executed', async () => {
    const write = fc.record({
      offset: fc.integer({ min: 0, max: 600 }),
      length: fc.integer({ min: 1, max: 300 }),
      flush: fc.boolean(),
      file: fc.constantFrom('a', 'b'),
    });
    const property = fc.asyncProperty(
      fc.array(write, { maxLength: 30 }),
      fc.array(fc.nat(), { maxLength: 100 }),
      async (script, choices) => {
        const picks = [...choices];
        const expected = Buffer.alloc(1000);
        const actual = Buffer.alloc(1000);
        const local = new Service();
        const n = node();
        const finishOne = async () => {
          const { outstanding } = local;
          const extent = outstanding[(picks.shift() ?? 0) % outstanding.length];
          extent.data.copy(actual, extent.offset);
          await local.finish(extent);
        };
        for (const [i, { offset, length, flush, file: name }] of script.entries()) {
          const data = Buffer.alloc(length, i + 1);
          data.copy(expected, offset);
          local.writes.write(name, n, offset, data, PLAIN);
          if (flush) void local.writes.flush(n);
          if (local.outstanding.length > 3) await finishOne();
        }
        const flushed = local.writes.flush(n);
        while (local.outstanding.length > 0) await finishOne();
        await flushed;
        expect(actual.equals(expected)).toBe(true);
      },
    );
    await fc.assert(property, { seed: 1, numRuns: 300 });
  });
});
