/** Requests and replies against the layouts of include/uapi/linux/fuse.h, written out by hand. */
import { describe, expect, it } from 'vitest';
import { InitFlag, Opcode, Size } from '../../../fs-client/kernel/dev-fuse/abi.js';
import { negotiate } from '../../../fs-client/kernel/dev-fuse/negotiation.js';
import { ReplyBuffer } from '../../../fs-client/kernel/dev-fuse/reply.js';
import { Request } from '../../../fs-client/kernel/dev-fuse/request.js';
import type { Attributes } from '../../../src/fileservice/types.js';

function request(opcode: number, ino: number, body: Buffer): Request {
  const message = Buffer.alloc(Size.IN_HEADER + body.length);
  message.writeUInt32LE(message.length, 0);
  message.writeUInt32LE(opcode, 4);
  message.writeBigUInt64LE(0xfedc_ba98_7654_3210n, 8);
  message.writeBigUInt64LE(BigInt(ino), 16);
  message.writeUInt32LE(1000, 24);
  message.writeUInt32LE(2000, 28);
  message.writeUInt32LE(3000, 32);
  body.copy(message, Size.IN_HEADER);
  const parsed = new Request(message);
  expect(parsed.parse(message.length)).toBe(true);
  return parsed;
}

describe('Request', () => {
  it('takes the header apart', () => {
    const r = request(Opcode.LOOKUP, 2 ** 40 + 7, Buffer.from('name\0'));
    expect([r.opcode, r.ino, r.uniqueLow, r.uniqueHigh]).toEqual([1, 2 ** 40 + 7, 0x7654_3210, 0xfedc_ba98]);
    expect(r.caller()).toEqual({ uid: 1000, gid: 2000, pid: 3000 });
    expect(r.name(0)).toBe('name');
  });

  it('keeps names byte for byte', () => {
    const bytes = Buffer.from([0xff, 0x80, 0x2e, 0xc3, 0x28]);
    const r = request(Opcode.SYMLINK, 1, Buffer.concat([bytes, Buffer.from('\0target\0')]));
    const [name, target] = r.names(0);
    expect(Buffer.from(name, 'latin1')).toEqual(bytes);
    expect(target).toBe('target');
  });

  it('refuses what has another length than it says', () => {
    const message = Buffer.alloc(100);
    message.writeUInt32LE(99, 0);
    expect(new Request(message).parse(100)).toBe(false);
    expect(new Request(message).parse(10)).toBe(false);
  });

  it('reads fuse_setattr_in', () => {
    const body = Buffer.alloc(88);
    const MODE_SIZE_ATIME_MTIMENOW_FH = 1 | 8 | 16 | 32 | 64 | 256;
    body.writeUInt32LE(MODE_SIZE_ATIME_MTIMENOW_FH, 0);
    body.writeBigUInt64LE(77n, 8);
    body.writeBigUInt64LE(5_000_000_000n, 16);
    body.writeBigInt64LE(-5n, 32);
    body.writeUInt32LE(999, 56);
    body.writeUInt32LE(0o100640, 68);
    const r = request(Opcode.SETATTR, 2, body);
    expect(r.setattrFileHandle()).toBe(77);
    expect(r.attributeChanges()).toEqual({
      ...{ mode: 0o640, size: 5_000_000_000, atime: { seconds: -5, nanoseconds: 999 }, mtime: 'now' },
    });
  });

  it('refuses times that no integer holds', () => {
    const body = Buffer.alloc(88);
    body.writeUInt32LE(16, 0);
    body.writeBigInt64LE(2n ** 60n, 32);
    expect(request(Opcode.SETATTR, 2, body).attributeChanges()).toBeUndefined();
  });
});

const file: Attributes = {
  ...{ ino: 2 ** 33 + 1, generation: 3, mode: 0o100644, nlink: 2, uid: 5, gid: 6, rdev: 7, size: 2 ** 41, blocks: 9 },
  atime: { seconds: -1, nanoseconds: 11 },
  mtime: { seconds: 2 ** 35, nanoseconds: 22 },
  ctime: { seconds: 1, nanoseconds: 33 },
  change: 8,
  hasXattrs: false,
};

describe('ReplyBuffer', () => {
  it('builds fuse_entry_out', () => {
    const reply = new ReplyBuffer();
    reply.begin().entry({ attributes: file, entryMs: 1500, attributesMs: 250 });
    expect(reply.length).toBe(Size.OUT_HEADER + Size.ENTRY_OUT);
    const b = reply.bytes.subarray(Size.OUT_HEADER);
    expect(b.readBigUInt64LE(0)).toBe(BigInt(file.ino));
    expect(b.readBigUInt64LE(8)).toBe(3n);
    expect([b.readBigUInt64LE(16), b.readBigUInt64LE(24)]).toEqual([1n, 0n]);
    expect([b.readUInt32LE(32), b.readUInt32LE(36)]).toEqual([500_000_000, 250_000_000]);
    const attr = b.subarray(Size.ENTRY_HEAD);
    expect(attr.readBigUInt64LE(8)).toBe(2n ** 41n);
    expect(attr.readBigInt64LE(24)).toBe(-1n);
    expect(attr.readBigInt64LE(32)).toBe(2n ** 35n);
    expect([attr.readUInt32LE(48), attr.readUInt32LE(52), attr.readUInt32LE(56)]).toEqual([11, 22, 33]);
    expect([attr.readUInt32LE(60), attr.readUInt32LE(64)]).toEqual([0o100644, 2]);
    expect([attr.readUInt32LE(68), attr.readUInt32LE(72), attr.readUInt32LE(76)]).toEqual([5, 6, 7]);
  });

  it('has the sizes that the kernel checks', () => {
    const reply = new ReplyBuffer();
    const size = () => reply.length - Size.OUT_HEADER;
    reply.begin().attributes({ attributes: file, attributesMs: 0 });
    expect(size()).toBe(Size.ATTR_OUT);
    reply.begin().absent(1000);
    expect(size()).toBe(Size.ENTRY_OUT);
    reply.begin().open({ fh: 1, keepCache: true, directIo: false, noFlush: true });
    expect(size()).toBe(Size.OPEN_OUT);
    reply.begin().statistics({ blockSize: 4096, blocks: 1, freeBlocks: 1, files: 1, freeFiles: 1 });
    expect(size()).toBe(Size.STATFS_OUT);
    reply.begin().written(5);
    expect(size()).toBe(8);
  });

  it('pads directory entries to 8 bytes and stops at the limit', () => {
    const reply = new ReplyBuffer();
    reply.begin();
    const entry = { cookie: 5, name: Buffer.from('abcde'), attributes: file };
    expect(reply.fits(entry.name, false, 32)).toBe(true);
    reply.directoryEntry(entry);
    expect(reply.length - Size.OUT_HEADER).toBe(32);
    expect(reply.fits(entry.name, false, 63)).toBe(false);
    const b = reply.bytes.subarray(Size.OUT_HEADER);
    expect(b.readBigUInt64LE(8)).toBe(5n);
    expect([b.readUInt32LE(16), b.readUInt32LE(20)]).toEqual([5, 8]);
    expect(b.toString('latin1', 24, 32)).toBe('abcde\0\0\0');
  });

  it('writes an errno as the kernel wants it', () => {
    const reply = new ReplyBuffer();
    reply.header(16, 2, 0x7654_3210, 0xfedc_ba98);
    expect(reply.bytes.readInt32LE(4)).toBe(-2);
    expect(reply.bytes.readBigUInt64LE(8)).toBe(0xfedc_ba98_7654_3210n);
  });
});

const FEATURES = {
  ...{ readdirPlus: true, symlinks: true, killPrivileges: true, largeRequests: true, kernelPermissions: true },
};

describe('negotiate', () => {
  const init = (major: number, minor: number, flags: number, flags2 = 0) => {
    const body = Buffer.alloc(64);
    for (const [i, value] of [major, minor, 131_072, flags >>> 0, flags2 >>> 0].entries())
      body.writeUInt32LE(value, i * 4);
    return request(Opcode.INIT, 0, body);
  };

  it('asks for nothing that was not offered', () => {
    const reply = new ReplyBuffer();
    const offered = InitFlag.BIG_WRITES | InitFlag.MAX_PAGES;
    expect(negotiate(init(7, 31, offered), reply, FEATURES).errno).toBe(0);
    expect(reply.length).toBe(Size.OUT_HEADER + Size.INIT_OUT);
    const b = reply.bytes.subarray(Size.OUT_HEADER);
    expect([b.readUInt32LE(0), b.readUInt32LE(4), b.readUInt32LE(12)]).toEqual([7, 31, offered]);
    expect(b.readUInt32LE(20)).toBe(1024 * 1024);
    expect(b.readUInt32LE(24)).toBe(1);
    expect(b.readUInt16LE(28)).toBe(256);
  });

  it('never claims a newer protocol than it speaks, nor readdirplus for a strict mount', () => {
    const reply = new ReplyBuffer();
    expect(negotiate(init(7, 99, -1, -1), reply, { ...FEATURES, readdirPlus: false }).errno).toBe(0);
    const b = reply.bytes.subarray(Size.OUT_HEADER);
    expect(b.readUInt32LE(4)).toBe(40);
    expect(b.readUInt32LE(12) & InitFlag.DO_READDIRPLUS).toBe(0);
  });

  it('does without what it is told to do without', () => {
    const reply = new ReplyBuffer();
    const none = {
      ...{ readdirPlus: false, symlinks: false, killPrivileges: false, largeRequests: false, kernelPermissions: false },
    };
    expect(negotiate(init(7, 40, -1), reply, none).errno).toBe(0);
    const b = reply.bytes.subarray(Size.OUT_HEADER);
    const { READDIRPLUS_AUTO, CACHE_SYMLINKS, HANDLE_KILLPRIV_V2, POSIX_ACL } = InitFlag;
    expect(b.readUInt32LE(12) & (READDIRPLUS_AUTO | CACHE_SYMLINKS | HANDLE_KILLPRIV_V2 | POSIX_ACL)).toBe(0);
    expect([b.readUInt32LE(20), b.readUInt16LE(28)]).toEqual([128 * 1024, 32]);
  });

  it('refuses kernels that are too old', () => {
    const reply = new ReplyBuffer();
    expect(negotiate(init(7, 12, -1), reply, FEATURES)).toMatchObject({ errno: 71 });
  });
});
