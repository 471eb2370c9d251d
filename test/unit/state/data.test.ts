import { describe, expect, it } from 'vitest';
import { encodeOperation } from '../../../src/fileservice/operations.js';
import { decodeResult } from '../../../src/fileservice/results.js';
import { FileLimits, ROOT_HANDLE } from '../../../src/fileservice/types.js';
import { ALICE, bytes, Driver, ROOT, SESSION } from './support.js';

const BLOCK = 32 * 1024;

function file(changed = {}) {
  const fs = Driver.fresh(changed);
  return { fs, node: fs.create('f', 0o666) };
}

describe('contents', () => {
  it('are what was written, with zeros between', () => {
    const { fs, node } = file();
    const data = Buffer.from(Array.from({ length: 3 * BLOCK }, (_, i) => i * 7 + (i >> 8)));
    fs.write(node, 5 * BLOCK - 100, data);
    fs.write(node, 10, bytes('hello'));
    const all = fs.read(node);
    expect(all.length).toBe(8 * BLOCK - 100);
    expect(all.subarray(10, 15).toString()).toBe('hello');
    expect(all.subarray(15, 5 * BLOCK - 100).every((byte) => byte === 0)).toBe(true);
    expect(all.subarray(5 * BLOCK - 100).equals(data)).toBe(true);
    expect(fs.read(node, 8 * BLOCK - 101, 500)).toHaveLength(1);
    expect(fs.read(node, 8 * BLOCK, 500)).toHaveLength(0);
    expect(fs.read(node, 2 ** 50, 500)).toHaveLength(0);
  });

  it('have zeros, not leftovers of memory, in gaps within a block', () => {
    const { fs, node } = file();
    Array.from({ length: 64 }, () => Buffer.from('garbage '.repeat(100)));
    for (let i = 0; i < 20; i++) fs.write(node, 150 * i, bytes('x'));
    const all = fs.read(node);
    expect(all.every((byte, at) => byte === (at % 150 === 0 ? 0x78 : 0))).toBe(true);
  });

  it('do not come back after being cut off', () => {
    const { fs, node } = file();
    fs.write(node, 0, Buffer.alloc(3 * BLOCK, 1));
    fs.run('setattr', { node, size: BLOCK + 5 });
    const grown = fs.run('setattr', { node, size: 3 * BLOCK }).attributes;
    expect(grown.size).toBe(3 * BLOCK);
    const all = fs.read(node);
    expect(all.subarray(0, BLOCK + 5).every((byte) => byte === 1)).toBe(true);
    expect(all.subarray(BLOCK + 5).every((byte) => byte === 0)).toBe(true);
  });

  it('are appended at the end the file has when executed', () => {
    const { fs, node } = file();
    for (const text of ['one ', 'two ', 'three']) {
      fs.run('write', { node, offset: 77, append: true, killPrivileges: false, data: bytes(text) });
    }
    expect(fs.read(node).toString()).toBe('one two three');
  });

  it('move mtime, ctime and the change counter; writing nothing moves nothing', () => {
    const { fs, node } = file();
    const before = fs.stat(node);
    expect(fs.write(node, 100, Buffer.alloc(0))).toEqual(before);
    const time = fs.nextTime;
    expect(fs.write(node, 0, bytes('x'))).toMatchObject({
      mtime: time,
      ctime: time,
      change: before.change + 1,
      size: 1,
    });
  });

  it('of many blocks are cut and freed', () => {
    const { fs, node } = file();
    for (let i = 0; i < 40; i++) fs.write(node, i * 2 * BLOCK, bytes('x'));
    fs.state.commit();
    fs.run('setattr', { node, size: 10 * BLOCK });
    expect(fs.state.statistics.usedBytes).toBe(5 * BLOCK);
    fs.run('unlink', { parent: ROOT_HANDLE, name: bytes('f'), retain: 0 });
    expect(fs.state.statistics.usedBytes).toBe(0);
    expect(fs.state.checkpoint()).toEqual(fs.state.recomputeDigest());
  });

  const refusals: [what: string, run: (t: ReturnType<typeof file>) => string, errno: string][] = [
    ['write beyond the largest file', ({ fs, node }) => write(fs, node, FileLimits.fileBytes, 'x'), 'EFBIG'],
    ['truncate beyond it', ({ fs, node }) => fs.outcome('setattr', { node, size: FileLimits.fileBytes + 1 }), 'EFBIG'],
    ['truncate to it', ({ fs, node }) => fs.outcome('setattr', { node, size: FileLimits.fileBytes }), 'ok'],
    ['write a directory', ({ fs }) => write(fs, ROOT_HANDLE, 0, 'x'), 'EISDIR'],
    ['read a directory', ({ fs }) => fs.outcome('read', { node: ROOT_HANDLE, offset: 0, length: 1 }), 'EISDIR'],
    ['truncate a directory', ({ fs }) => fs.outcome('setattr', { node: ROOT_HANDLE, size: 0 }), 'EISDIR'],
    [
      'readdir a file',
      ({ fs, node }) => fs.outcome('readdir', { directory: node, cookie: 0, maxBytes: 99 }),
      'ENOTDIR',
    ],
  ];
  const write = (fs: Driver, node: typeof ROOT_HANDLE, offset: number, text: string) =>
    fs.outcome('write', { node, offset, append: false, killPrivileges: false, data: bytes(text) });
  for (const [what, run, errno] of refusals) {
    it(`${what}: ${errno}`, () => expect(run(file())).toBe(errno));
  }
});

describe('space', () => {
  const KIB = 1024;
  const blocks = (kib: number) => (kib * KIB) / 512;

  it('is what the size needs in units of 4 KiB, less holes', () => {
    const { fs, node } = file();
    expect(fs.write(node, 0, bytes('x')).blocks).toBe(blocks(4));
    expect(fs.write(node, 5000, bytes('x')).blocks).toBe(blocks(8));
    expect(fs.write(node, 3 * BLOCK, bytes('x')).blocks).toBe(blocks(32 + 4));
    expect(fs.run('setattr', { node, size: 10 * BLOCK }).attributes.blocks).toBe(blocks(64));
    expect(fs.run('setattr', { node, size: 3 * BLOCK + 4097 }).attributes.blocks).toBe(blocks(32 + 8));
    expect(fs.run('setattr', { node, size: 2 * BLOCK }).attributes.blocks).toBe(blocks(32));
    expect(fs.run('setattr', { node, size: 1 }).attributes.blocks).toBe(blocks(4));
    expect(fs.run('setattr', { node, size: 0 }).attributes.blocks).toBe(0);
    expect(fs.write(node, 0, Buffer.alloc(BLOCK)).blocks).toBe(blocks(32));
    expect(fs.state.statistics.usedBytes).toBe(BLOCK);
  });

  it('ends with ENOSPC at the agreed capacity, changing nothing, and comes back', () => {
    const { fs, node } = file({ capacityBytes: 3 * BLOCK });
    fs.write(node, 0, Buffer.alloc(2 * BLOCK + 4096, 1));
    const full = { node, offset: 2 * BLOCK, append: false, killPrivileges: false, data: Buffer.alloc(BLOCK + 1, 2) };
    const before = fs.stat(node);
    expect(fs.outcome('write', full)).toBe('ENOSPC');
    expect(fs.stat(node)).toEqual(before);
    expect(fs.read(node).every((byte) => byte === 1)).toBe(true);
    expect(fs.run('statfs', {}).statistics).toMatchObject({ blockSize: 4096, blocks: 24, freeBlocks: 7 });
    expect(fs.outcome('setattr', { node, size: 100 * BLOCK })).toBe('ok');
    expect(fs.run('statfs', {}).statistics.freeBlocks).toBe(0);
    expect(fs.outcome('write', { ...full, offset: 50 * BLOCK, data: bytes('x') })).toBe('ENOSPC');
    fs.run('setattr', { node, size: 0 });
    expect(fs.run('statfs', {}).statistics.freeBlocks).toBe(24);
  });
});

describe('the service', () => {
  const execute = (fs: Driver, operation: Uint8Array) => {
    const sequence = fs.state.lastExecuted + 1;
    const time = fs.nextTime;
    fs.state.beginBatch(sequence);
    const execution = fs.state.service.execute(operation, { sequence, time, session: SESSION });
    fs.state.endBatch(time);
    fs.state.commitBatch();
    return execution;
  };

  it('answers nonsense with EPROTO', () => {
    const { fs } = file();
    const good = encodeOperation(ROOT, { op: 'getattr', node: ROOT_HANDLE });
    for (const bad of [Buffer.alloc(0), Buffer.from([99]), good.subarray(1), Buffer.concat([good, Buffer.alloc(1)])]) {
      expect(decodeResult('getattr', execute(fs, bad).result)).toEqual({ errno: 71 });
      expect(decodeResult('getattr', fs.state.service.query(bad, SESSION))).toEqual({ errno: 71 });
    }
  });

  it('does not believe that an operation is read-only', () => {
    const { fs, node } = file();
    const before = fs.state.checkpoint();
    const data = { offset: 0, append: false, killPrivileges: false, data: bytes('x') };
    expect(fs.query('write', { node, ...data })).toEqual({ errno: 30 });
    expect(fs.query('fsync', { node })).toEqual({ errno: 30 });
    expect(fs.query('getattr', { node }, ALICE)).toMatchObject({ errno: 0 });
    expect(fs.state.checkpoint()).toEqual(before);
  });

  it('marks fsync as durable, and large results of reads as transient', () => {
    const { fs, node } = file();
    fs.write(node, 0, Buffer.alloc(10_000, 1));
    expect(execute(fs, encodeOperation(ROOT, { op: 'fsync', node }))).toMatchObject({
      durable: true,
      transient: false,
    });
    const read = (length: number) => execute(fs, encodeOperation(ROOT, { op: 'read', node, offset: 0, length }));
    expect(read(100)).toMatchObject({ durable: false, transient: false });
    expect(read(9000)).toMatchObject({ durable: false, transient: true });
  });

  it('pads the null operation as asked, within bounds', () => {
    const { fs } = file();
    expect(fs.run('null', { padding: bytes('x'), resultBytes: 4096 }).padding).toEqual(Buffer.alloc(4096));
    expect(fs.outcome('null', { padding: bytes(''), resultBytes: FileLimits.ioBytes + 1 })).toBe('EINVAL');
  });
});
