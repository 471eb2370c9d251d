/** ALLOCATE, SEEK and COPY, and the space that files take, against a model: bytes, and the set of blocks that exist. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { errnoName } from '../../../src/fileservice/errno.js';
import { AllocateMode, encodeOperation, type Operation } from '../../../src/fileservice/operations.js';
import { decodeResult } from '../../../src/fileservice/results.js';
import { FileLimits, type Handle, ROOT_HANDLE } from '../../../src/fileservice/types.js';
import { ALICE, BOB, bytes, Driver, ROOT, SESSION } from './support.js';

const BLOCK = 32 * 1024;
const UNIT = 4096;
const { KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE } = AllocateMode;
const MODES = { reserve: 0, keep: KEEP_SIZE, punch: PUNCH_HOLE | KEEP_SIZE, zero: ZERO_RANGE, zeroKeep: 17 };

const up = (bytes: number, unit: number): number => Math.ceil(bytes / unit) * unit;

/** One file by the rule that replica/state/space.ts states. */
class FileModel {
  content = Buffer.alloc(0);
  blocks = new Set<number>();
  reserved = 0;

  clone(): FileModel {
    return Object.assign(new FileModel(), {
      ...this,
      content: Buffer.from(this.content),
      blocks: new Set(this.blocks),
    });
  }

  get end(): number {
    return Math.max(this.content.length, this.reserved);
  }

  get charge(): number {
    return [...this.blocks].reduce((sum, at) => sum + Math.min(BLOCK, up(this.end - at * BLOCK, UNIT)), 0);
  }

  private resize(size: number): void {
    const content = Buffer.alloc(size);
    this.content.copy(content);
    this.content = content;
  }

  private touch(from: number, to: number): void {
    for (let at = Math.floor(from / BLOCK); at * BLOCK < to; at++) this.blocks.add(at);
  }

  private grow(to: number): void {
    if (to > this.content.length) this.resize(to);
  }

  write(offset: number, data: Buffer): void {
    if (data.length === 0) return;
    this.grow(offset + data.length);
    data.copy(this.content, offset);
    this.touch(offset, offset + data.length);
  }

  truncate(size: number): void {
    if (size <= this.content.length) {
      this.reserved = 0;
      for (const at of this.blocks) if (at * BLOCK >= size) this.blocks.delete(at);
    }
    this.resize(size);
  }

  allocate(mode: number, offset: number, length: number): void {
    const to = offset + length;
    if (mode & (PUNCH_HOLE | ZERO_RANGE)) this.content.subarray(offset, to).fill(0);
    if (mode & PUNCH_HOLE) {
      for (const at of this.blocks) {
        if (at * BLOCK >= offset && Math.min((at + 1) * BLOCK, this.end) <= to) this.blocks.delete(at);
      }
      return;
    }
    if ((mode & KEEP_SIZE) === 0) this.grow(to);
    if (to > this.content.length) this.reserved = Math.max(this.reserved, to);
    this.touch(offset, to);
  }

  copy(source: FileModel, from: number, offset: number, length: number): number {
    const count = Math.max(0, Math.min(length, source.content.length - from, FileLimits.ioBytes));
    if (count === 0) return 0;
    const data = Buffer.from(source.content.subarray(from, from + count));
    const has = (at: number): boolean => source.blocks.has(Math.floor(at / BLOCK));
    const filled = new Set<number>();
    for (let i = 0; i < count; i += 512) {
      for (const j of [i, Math.min(i + 511, count - 1)])
        if (has(from + j)) filled.add(Math.floor((offset + j) / BLOCK));
    }
    this.grow(offset + count);
    data.copy(this.content, offset);
    for (const at of filled) this.blocks.add(at);
    return count;
  }

  seek(offset: number, data: boolean): number | 'ENXIO' {
    const { length } = this.content;
    if (offset >= length) return 'ENXIO';
    for (let at = Math.floor(offset / BLOCK); at * BLOCK < length; at++) {
      if (this.blocks.has(at) === data) return Math.max(offset, at * BLOCK);
    }
    return data ? 'ENXIO' : length;
  }
}

type Step =
  | { op: 'write'; file: number; offset: number; length: number; fill: number }
  | { op: 'truncate'; file: number; size: number }
  | { op: 'allocate'; file: number; mode: keyof typeof MODES; offset: number; length: number }
  | { op: 'copy'; file: number; source: number; from: number; offset: number; length: number }
  | { op: 'commit' };

const file = fc.nat(1);
/** Near the edges of blocks and of units. */
const place = fc
  .tuple(fc.nat(20), fc.constantFrom(0, 0, 1, -1, UNIT, UNIT + 1, BLOCK / 2))
  .map(([block, delta]) => Math.max(0, block * BLOCK + delta));
const length = fc.oneof(fc.integer({ min: 1, max: 3 * BLOCK }), fc.constantFrom(1, UNIT, BLOCK, 2 * BLOCK));
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constant('write' as const), file, offset: place, length, fill: fc.nat(3) }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('truncate' as const), file, size: place }) },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('allocate' as const),
      file,
      mode: fc.constantFrom(...(Object.keys(MODES) as (keyof typeof MODES)[])),
      offset: place,
      length,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constant('copy' as const), file, source: file, from: place, offset: place, length }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('commit' as const) }) },
);

/** What the step does to the model's files: 'ok', or the errno of what it comes to. */
function onModel(files: FileModel[], s: Exclude<Step, { op: 'commit' }>, room: number): string {
  const before = files[s.file];
  const after = before.clone();
  if (s.op === 'write') after.write(s.offset, Buffer.alloc(s.length, s.fill));
  else if (s.op === 'truncate') after.truncate(s.size);
  else if (s.op === 'allocate') after.allocate(MODES[s.mode], s.offset, s.length);
  else {
    const source = files[s.source];
    const count = Math.min(s.length, source.content.length - s.from);
    if (count > 0 && source === before && Math.abs(s.from - s.offset) < count) return 'EINVAL';
    after.copy(source, s.from, s.offset, s.length);
  }
  if (after.charge > before.charge && after.charge - before.charge > room) return 'ENOSPC';
  files[s.file] = after;
  return 'ok';
}

function operationOf(nodes: readonly Handle[], s: Exclude<Step, { op: 'commit' }>): Operation {
  const node = nodes[s.file];
  const killPrivileges = false;
  switch (s.op) {
    case 'write':
      return {
        ...{ op: 'write', node, offset: s.offset, append: false, killPrivileges },
        data: Buffer.alloc(s.length, s.fill),
      };
    case 'truncate':
      return { op: 'setattr', node, size: s.size };
    case 'allocate':
      return { op: 'allocate', node, mode: MODES[s.mode], offset: s.offset, length: s.length, killPrivileges };
    case 'copy': {
      const from = { source: nodes[s.source], sourceOffset: s.from };
      return { op: 'copy', ...from, node, offset: s.offset, length: s.length, killPrivileges };
    }
  }
}

function perform(fs: Driver, o: Operation): string {
  const { errno } = decodeResult(o.op, fs.execute(encodeOperation(ROOT, o)));
  return errno === 0 ? 'ok' : errnoName(errno);
}

function seek(fs: Driver, node: Handle, offset: number, what: 'data' | 'hole'): number | string {
  const result = fs.query('seek', { node, offset, what });
  return 'offset' in result ? result.offset : errnoName(result.errno);
}

function compare(fs: Driver, node: Handle, model: FileModel): void {
  const stat = fs.stat(node);
  expect({ size: stat.size, bytes: stat.blocks * 512 }).toEqual({ size: model.content.length, bytes: model.charge });
  expect(fs.read(node).equals(model.content)).toBe(true);
  for (let at = 0; at <= model.content.length + 1; at += BLOCK / 2) {
    for (const what of ['data', 'hole'] as const) {
      expect(`${what} from ${at}: ${seek(fs, node, at, what)}`).toBe(
        `${what} from ${at}: ${model.seek(at, what === 'data')}`,
      );
    }
  }
}

describe('random writes, cuts, reservations, holes and copies', () => {
  it.each([
    ['with room', 1 << 30, 1],
    ['where space is short', 12 * BLOCK + UNIT, 2],
  ])(
    'do what the model does, %s',
    (_, capacityBytes, seed) => {
      fc.assert(
        fc.property(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) => {
          const fs = Driver.fresh({ capacityBytes });
          const nodes: Handle[] = [fs.create('a'), fs.create('b')];
          const files = [new FileModel(), new FileModel()];
          const used = () => files.reduce((sum, { charge }) => sum + charge, 0);
          for (const [i, s] of steps.entries()) {
            if (s.op === 'commit') fs.state.commit();
            else {
              const room = capacityBytes - used();
              expect(`${i} ${s.op} ${perform(fs, operationOf(nodes, s))}`).toBe(
                `${i} ${s.op} ${onModel(files, s, room)}`,
              );
            }
            expect(fs.state.statistics.usedBytes).toBe(used());
          }
          for (const [i, model] of files.entries()) compare(fs, nodes[i], model);
          expect(fs.state.checkpoint()).toEqual(fs.state.recomputeDigest());
          for (const name of ['a', 'b']) fs.run('unlink', { parent: ROOT_HANDLE, name: bytes(name), retain: 0 });
          expect(fs.state.statistics).toMatchObject({ usedBytes: 0, usedInodes: 1 });
          fs.state.close();
        }),
        { seed, numRuns: 40 },
      );
    },
    120_000,
  );
});

const NONE = { killPrivileges: false };

/** As a mount does it: operation after operation until the range is done. Returns how many it took. */
function allocateAll(fs: Driver, node: Handle, mode: number, offset: number, length: number): number {
  let operations = 0;
  for (const end = offset + length; offset < end; operations++) {
    offset += fs.run('allocate', { node, mode, offset, length: end - offset, ...NONE }).length;
  }
  return operations;
}

describe('ALLOCATE', () => {
  it('keeps its promise when everything else is full', () => {
    const fs = Driver.fresh({ capacityBytes: 39 * BLOCK + UNIT });
    const [node, other] = [fs.create('a'), fs.create('b')];
    fs.write(node, 0, bytes('first'));
    fs.run('allocate', { node, mode: KEEP_SIZE, offset: 0, length: 20 * BLOCK, ...NONE });
    expect(fs.stat(node)).toMatchObject({ size: 5, blocks: (20 * BLOCK) / 512 });
    let full = 0;
    while (
      perform(fs, { op: 'write', node: other, offset: full * BLOCK, append: false, ...NONE, data: bytes('x') }) === 'ok'
    )
      full++;
    expect(full).toBe(20);
    expect(fs.run('statfs', {}).statistics.freeBlocks).toBe(0);
    for (let at = 0; at < 20; at++) fs.write(node, at * BLOCK + 17, Buffer.alloc(BLOCK - 17, 7));
    expect(fs.stat(node)).toMatchObject({ size: 20 * BLOCK, blocks: (20 * BLOCK) / 512 });
    expect(fs.outcome('write', { node, offset: 20 * BLOCK, append: false, ...NONE, data: bytes('xy') })).toBe('ENOSPC');
    // Names and inodes are not charged to it, and what frees works as well.
    const names = { parent: ROOT_HANDLE, newParent: ROOT_HANDLE, flags: 0, retain: 0 };
    expect(fs.outcome('rename', { ...names, name: bytes('b'), newName: bytes('c') })).toBe('ok');
    expect(fs.outcome('link', { node, parent: ROOT_HANDLE, name: bytes('d') })).toBe('ok');
    expect(fs.outcome('mkdir', { parent: ROOT_HANDLE, name: bytes('e'), mode: 0o755 })).toBe('ok');
    expect(fs.outcome('rename', { ...names, name: bytes('c'), newName: bytes('d') })).toBe('ok');
    fs.run('unlink', { parent: ROOT_HANDLE, name: bytes('d'), retain: 0 });
    expect(fs.run('statfs', {}).statistics.freeBlocks).toBe((19 * BLOCK + UNIT) / UNIT);
  });

  it('is done some blocks at a time, and refused as a whole where it cannot fit', () => {
    const fs = Driver.fresh({ capacityBytes: 1000 * BLOCK });
    const node = fs.create('a');
    const blocks = 3 * FileLimits.allocateBlocks;
    expect(allocateAll(fs, node, 0, 100, blocks * BLOCK)).toBe(4);
    expect(fs.stat(node)).toMatchObject({ size: blocks * BLOCK + 100, blocks: (blocks * BLOCK + UNIT) / 512 });
    const before = fs.stat(node);
    expect(fs.outcome('allocate', { node, mode: 0, offset: 0, length: 1001 * BLOCK, ...NONE })).toBe('ENOSPC');
    expect(fs.stat(node)).toEqual(before);
    fs.state.commit();
    expect(allocateAll(fs, node, MODES.punch, 0, FileLimits.fileBytes)).toBe(4);
    expect(fs.stat(node)).toMatchObject({ size: before.size, blocks: 0 });
    expect(allocateAll(fs, node, MODES.punch, 0, FileLimits.fileBytes)).toBe(1);
    expect(fs.state.statistics.usedBytes).toBe(0);
  });

  it('answers what no kernel asks: a hole whose end is no safe integer', () => {
    const fs = Driver.fresh();
    const node = fs.create('a');
    fs.write(node, 0, Buffer.alloc(10, 1));
    const hole = { node, mode: MODES.punch, offset: 4, length: Number.MAX_SAFE_INTEGER, ...NONE };
    expect(fs.run('allocate', hole).length).toBe(Number.MAX_SAFE_INTEGER);
    expect(fs.read(node)).toEqual(Buffer.from([1, 1, 1, 1, 0, 0, 0, 0, 0, 0]));
  });

  it('moves mtime, ctime and the change counter, and takes privileges away', () => {
    const fs = Driver.fresh();
    const node = fs.create('a', 0o6775);
    fs.chmod(node, 0o6775);
    const before = fs.stat(node);
    const time = fs.nextTime;
    const one = { node, mode: 0, offset: 0, length: 1 };
    expect(fs.run('allocate', { ...one, ...NONE }).attributes).toMatchObject({
      ...{ mtime: time, ctime: time, change: before.change + 1, mode: before.mode },
    });
    expect(fs.run('allocate', { ...one, killPrivileges: true }).attributes.mode & 0o7777).toBe(0o775);
  });

  const refusals: [what: string, o: Partial<{ mode: number; offset: number; length: number }>, errno: string][] = [
    ['nothing', { length: 0 }, 'EINVAL'],
    ['a hole that changes the size', { mode: PUNCH_HOLE }, 'EOPNOTSUPP'],
    ['COLLAPSE_RANGE', { mode: 8 }, 'EOPNOTSUPP'],
    ['INSERT_RANGE', { mode: 32 }, 'EOPNOTSUPP'],
    ['UNSHARE_RANGE', { mode: 64 }, 'EOPNOTSUPP'],
    ['beyond the largest file', { offset: FileLimits.fileBytes, length: 1 }, 'EFBIG'],
    ['far beyond it', { offset: 2 ** 52, length: 2 ** 52 }, 'EFBIG'],
    ['to its very end', { offset: FileLimits.fileBytes - 1, length: 1 }, 'ok'],
  ];
  it.each(refusals)('%s: %s', (_, o, errno) => {
    const fs = Driver.fresh();
    const node = fs.create('a');
    expect(fs.outcome('allocate', { node, mode: 0, offset: 0, length: BLOCK, ...NONE, ...o })).toBe(errno);
  });

  it('is for those who may write, to regular files', () => {
    const fs = Driver.fresh();
    const node = fs.create('a', 0o644, ALICE, fs.mkdir('open', 0o777));
    const o = { mode: 0, offset: 0, length: 1, ...NONE };
    expect(fs.outcome('allocate', { node, ...o }, BOB)).toBe('EACCES');
    expect(fs.outcome('allocate', { node, ...o }, ALICE)).toBe('ok');
    expect(fs.outcome('allocate', { node: ROOT_HANDLE, ...o })).toBe('EISDIR');
    const fifo = fs.run('mknod', { parent: ROOT_HANDLE, name: bytes('p'), mode: 0o010644, rdev: 0 }).attributes;
    expect(fs.outcome('allocate', { node: fifo, ...o })).toBe('ENODEV');
    expect(fs.outcome('allocate', { node: { ino: 99, generation: 1 }, ...o })).toBe('ESTALE');
  });
});

describe('SEEK', () => {
  it('is a read, for those who may look into the file', () => {
    const fs = Driver.fresh();
    const node = fs.create('a', 0o600, ALICE, fs.mkdir('open', 0o777));
    fs.write(node, 5 * BLOCK, bytes('x'));
    const before = fs.state.checkpoint();
    const o = { node, offset: 7, what: 'data' as const };
    expect(fs.query('seek', o, ALICE)).toMatchObject({ errno: 0, offset: 5 * BLOCK, complete: true });
    expect(fs.query('seek', o, BOB)).toMatchObject({ errno: 13 });
    expect(fs.query('seek', { ...o, node: ROOT_HANDLE })).toMatchObject({ errno: 22 });
    expect(fs.state.checkpoint()).toEqual(before);
  });

  it('of a long stretch goes on where it stopped', () => {
    const fs = Driver.fresh();
    const node = fs.create('a');
    allocateAll(fs, node, 0, BLOCK, 2500 * BLOCK);
    fs.state.commit();
    let [offset, asked] = [BLOCK, 0];
    for (let complete = false; !complete; asked++) {
      const found = fs.run('seek', { node, offset, what: 'hole' });
      ({ offset, complete } = found);
    }
    expect([offset, asked]).toEqual([2501 * BLOCK, 3]);
  });

  it('does not see blocks that a cut has removed and SQLite still has', () => {
    const fs = Driver.fresh();
    const node = fs.create('a');
    allocateAll(fs, node, 0, 0, 300 * BLOCK);
    fs.state.commit();
    fs.run('setattr', { node, size: BLOCK });
    fs.run('setattr', { node, size: 400 * BLOCK });
    fs.write(node, 350 * BLOCK, bytes('x'));
    expect(seek(fs, node, BLOCK, 'data')).toBe(350 * BLOCK);
    expect(seek(fs, node, 0, 'hole')).toBe(BLOCK);
  });
});

describe('COPY', () => {
  const setup = () => {
    const fs = Driver.fresh();
    const [source, node] = [fs.create('a', 0o666), fs.create('b', 0o666)];
    fs.write(source, 0, Buffer.from(Array.from({ length: 3 * BLOCK }, (_, i) => (i * 7) >> 3)));
    return { fs, source, node };
  };

  it('ends with the source, and is short where there is more than one operation copies', () => {
    const { fs, source, node } = setup();
    const o = { source, node, ...NONE };
    expect(fs.run('copy', { ...o, sourceOffset: 3 * BLOCK - 10, offset: 5, length: 100 }).length).toBe(10);
    expect(fs.run('copy', { ...o, sourceOffset: 3 * BLOCK, offset: 5, length: 100 }).length).toBe(0);
    expect(fs.run('copy', { ...o, sourceOffset: 2 ** 50, offset: 5, length: 100 }).length).toBe(0);
    fs.run('setattr', { node: source, size: 100 * BLOCK });
    expect(fs.run('copy', { ...o, sourceOffset: 0, offset: 0, length: 2 ** 50 }).length).toBe(FileLimits.ioBytes);
    expect(fs.read(node).equals(fs.read(source, 0, FileLimits.ioBytes))).toBe(true);
    expect(fs.stat(node).blocks).toBe((3 * BLOCK) / 512);
    const before = fs.stat(node);
    expect(fs.run('copy', { ...o, sourceOffset: 0, offset: 0, length: 0 }).attributes).toEqual(before);
  });

  it('moves the times of the target and takes its privileges away', () => {
    const { fs, source, node } = setup();
    fs.chmod(node, 0o6775);
    const before = fs.stat(source);
    const time = fs.nextTime;
    const o = { source, node, sourceOffset: 0, offset: 0, length: 1 };
    const { attributes } = fs.run('copy', { ...o, killPrivileges: true });
    expect(attributes).toMatchObject({ mtime: time, ctime: time });
    expect(attributes.mode & 0o7777).toBe(0o775);
    expect(fs.stat(source)).toEqual(before);
  });

  it('is refused', () => {
    const { fs, source, node } = setup();
    const o = { source, node, sourceOffset: 0, offset: 0, length: 100, ...NONE };
    expect(fs.outcome('copy', { ...o, node: source, offset: 99 })).toBe('EINVAL');
    expect(fs.outcome('copy', { ...o, node: source, offset: 100 })).toBe('ok');
    expect(fs.outcome('copy', { ...o, offset: FileLimits.fileBytes })).toBe('EFBIG');
    expect(fs.outcome('copy', { ...o, offset: FileLimits.fileBytes - 5 })).toBe('ok');
    expect(fs.stat(node).size).toBe(FileLimits.fileBytes);
    expect(fs.outcome('copy', { ...o, source: ROOT_HANDLE })).toBe('EISDIR');
    expect(fs.outcome('copy', { ...o, node: ROOT_HANDLE })).toBe('EISDIR');
    expect(fs.outcome('copy', { ...o, node: { ino: 99, generation: 1 } })).toBe('ESTALE');
    fs.chmod(source, 0o600);
    expect(fs.outcome('copy', o, ALICE)).toBe('EACCES');
    fs.chmod(source, 0o644);
    fs.chmod(node, 0o644);
    expect(fs.outcome('copy', o, ALICE)).toBe('EACCES');
    expect(decodeResult('copy', fs.state.service.query(encodeOperation(ROOT, { op: 'copy', ...o }), SESSION))).toEqual({
      errno: 30,
    });
  });
});
