import { describe, expect, it } from 'vitest';
import type { Handle } from '../../../src/fileservice/types.js';
import { ROOT_HANDLE } from '../../../src/fileservice/types.js';
import { BLOCK } from './changes.js';
import { bytes, Driver } from './support.js';

const MIB = 1024 * 1024;
const BLOCKS = 300;
const LARGE = BLOCKS * BLOCK;

/** A file of so many blocks, and a few bytes in one more. */
function large(fs: Driver, name: string, blocks = BLOCKS): Handle {
  const file = fs.create(name);
  for (let at = 0; at < blocks * BLOCK; at += MIB) {
    fs.write(file, at, Buffer.alloc(Math.min(MIB, blocks * BLOCK - at), name));
  }
  fs.write(file, blocks * BLOCK, bytes('end'));
  return file;
}

const unlink = (fs: Driver, name: string) => fs.run('unlink', { parent: ROOT_HANDLE, name: bytes(name), retain: 0 });
const used = (fs: Driver): number => fs.state.statistics.usedBytes;
const discarded = (fs: Driver): number => fs.state.statistics.discardedBytes;
const pass = (fs: Driver): void => void fs.stat(ROOT_HANDLE);

describe('a file with many blocks', { timeout: 120_000 }, () => {
  it('is removed at once, and its blocks in the batches that follow', () => {
    const fs = Driver.fresh();
    const file = large(fs, 'f');
    expect(used(fs)).toBe(LARGE + 4096);
    unlink(fs, 'f');
    expect(fs.outcome('getattr', { node: file })).toBe('ESTALE');
    expect(used(fs)).toBe(0);
    expect(discarded(fs)).toBe(LARGE + 4096 - 2 * 64 * BLOCK);
    for (let i = 0; i < 2; i++) pass(fs);
    expect(discarded(fs)).toBe(LARGE + 4096 - 4 * 64 * BLOCK);
    pass(fs);
    expect(discarded(fs)).toBe(0);
    expect(fs.state.checkpoint()).toEqual(fs.state.recomputeDigest());
  });

  it('is cut to nothing at once, and can be written while what it had is removed', () => {
    const fs = Driver.fresh();
    const file = large(fs, 'f');
    fs.run('setattr', { node: file, size: 0 });
    expect(fs.stat(file)).toMatchObject({ size: 0, blocks: 0 });
    const data = Buffer.alloc(100 * BLOCK + 7, 'new');
    fs.write(file, 5, data.subarray(0, MIB));
    for (let at = MIB; at < data.length; at += MIB) fs.write(file, 5 + at, data.subarray(at, at + MIB));
    for (let i = 0; i < 10; i++) pass(fs);
    expect(discarded(fs)).toBe(0);
    expect(used(fs)).toBe(Math.ceil((data.length + 5) / 4096) * 4096);
    expect(fs.read(file, 5)).toEqual(data.subarray(0, MIB));
    expect(fs.read(file, 5 + 3 * MIB)).toEqual(data.subarray(3 * MIB));
    expect(fs.stat(file).ino).toBe(file.ino);
    expect(fs.create('next').ino).toBe(file.ino + 2);
  });

  it('leaves its space to others from when it is removed: its blocks go as others come', () => {
    const fs = Driver.fresh({ capacityBytes: LARGE + MIB });
    large(fs, 'f');
    const other = fs.create('other');
    unlink(fs, 'f');
    // Two thousand blocks' worth in one operation could not be; two MiB a batch are removed, and here three are written.
    for (let at = 0; at + MIB <= LARGE; at += MIB) {
      fs.write(other, at, Buffer.alloc(MIB, 'o'));
      expect(used(fs) + discarded(fs)).toBeLessThanOrEqual(LARGE + MIB);
    }
    expect(discarded(fs)).toBe(0);
  });

  it('leaves no more than there is', () => {
    const fs = Driver.fresh({ capacityBytes: LARGE + MIB });
    large(fs, 'f', 200);
    unlink(fs, 'f');
    const other = fs.create('other');
    const allocate = (length: number) =>
      fs.outcome('allocate', { node: other, mode: 0, offset: 0, length, killPrivileges: false });
    expect(allocate(LARGE + 2 * MIB)).toBe('ENOSPC');
    expect(allocate(LARGE)).toBe('ok');
  });

  it('is the same on all replicas, restarted or not, rolled back or not', () => {
    const [a, b] = [Driver.fresh(), Driver.fresh()];
    for (const fs of [a, b]) {
      large(fs, 'f');
      large(fs, 'g', 70);
      unlink(fs, 'f');
      unlink(fs, 'g');
    }
    b.state.commit();
    b.restart();
    const { lastExecuted } = b.state;
    b.state.beginBatch(lastExecuted + 1);
    b.state.endBatch(b.nextTime);
    b.state.rollbackBatch();
    for (const fs of [a, b]) pass(fs);
    expect(discarded(b)).toBeGreaterThan(0);
    expect(b.state.checkpoint()).toEqual(a.state.checkpoint());
    for (const fs of [a, b]) for (let i = 0; i < 10; i++) pass(fs);
    expect(discarded(b)).toBe(0);
    expect(b.state.checkpoint()).toEqual(a.state.checkpoint());
  });
});
