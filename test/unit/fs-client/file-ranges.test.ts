/** fallocate, lseek and copy_file_range among the other calls of a mount. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Errno } from '../../../src/fileservice/errno.js';
import { AllocateMode } from '../../../src/fileservice/operations.js';
import { FileLimits } from '../../../src/fileservice/types.js';
import { outcomeOf, RDWR, ROOT, ScriptedMount, turns } from './scripted-service.js';

const OK = { errno: 0 };
const USER = { uid: 1000, gid: 1000, pid: 0 };
const never = new AbortController().signal;

describe('of one mount', () => {
  let mount: ScriptedMount;
  let a: { fh: number; ino: number };
  let b: { fh: number; ino: number };
  beforeEach(async () => {
    mount = new ScriptedMount('session');
    a = await mount.create('a');
    b = await mount.create('b');
  });
  const allocate = (fh: number, length: number, signal = never) => mount.fs.allocate(ROOT, fh, 0, 0, length, signal);
  const ops = () => mount.service.executed.map(({ op }) => op).filter((op) => op !== 'create' && op !== 'statfs');

  it('a reservation comes after what was written before, and before what is written after', async () => {
    mount.write(a.fh, 0, 'held');
    mount.service.fate = ({ op }) => (op === 'allocate' ? 'hold' : 'execute');
    const allocated = allocate(a.fh, 10);
    expect(await outcomeOf(allocated)).toBeUndefined();
    mount.write(a.fh, 500, 'later');
    const flushed = mount.fs.flush(a.fh);
    expect(await outcomeOf(flushed)).toBeUndefined();
    expect(ops()).toEqual(['write']);
    await mount.service.settle();
    expect([await allocated, await flushed]).toEqual([OK, OK]);
    expect(ops()).toEqual(['write', 'allocate', 'write']);
  });

  it('a copy comes after what was written to both, and holds back what is written to both', async () => {
    mount.write(a.fh, 0, 'source');
    mount.write(b.fh, 0, 'target');
    mount.service.fate = ({ op }) => (op === 'copy' ? 'hold' : 'execute');
    const copied = mount.fs.copy(ROOT, b.fh, 0, a.fh, 0, 10);
    expect(await outcomeOf(copied)).toBeUndefined();
    for (const { fh } of [a, b]) mount.write(fh, 500, 'later');
    const flushed = Promise.all([mount.fs.flush(a.fh), mount.fs.flush(b.fh)]);
    expect(await outcomeOf(flushed)).toBeUndefined();
    await mount.service.settle();
    expect([await copied, await flushed]).toEqual([{ errno: 0, length: 10 }, [OK, OK]]);
    expect(ops()).toEqual(['write', 'write', 'copy', 'write', 'write']);
  });

  it('a reservation goes on operation after operation, and ends with a signal or the session', async () => {
    expect(await allocate(a.fh, 2500)).toEqual(OK);
    const ranges = mount.service.executed.flatMap((o) => (o.op === 'allocate' ? [[o.offset, o.length]] : []));
    expect(ranges).toEqual([
      [0, 2500],
      [1000, 1500],
      [2000, 500],
    ]);
    const interrupted = new AbortController();
    mount.service.fate = ({ op }) => (op === 'allocate' ? 'hold' : 'execute');
    const first = allocate(a.fh, 5000, interrupted.signal);
    await turns();
    interrupted.abort();
    await mount.service.settle();
    expect(await first).toEqual({ errno: Errno.EINTR });
    const second = allocate(b.fh, 5000);
    await turns();
    await mount.service.loseSession();
    expect(await second).toEqual({ errno: Errno.EIO });
    expect(mount.service.executedOf('allocate')).toHaveLength(4);
  });

  it('says that privileges go unless root asks', async () => {
    await mount.fs.allocate(USER, a.fh, 0, 0, 1, never);
    await mount.fs.copy(USER, a.fh, 0, b.fh, 0, 1);
    await allocate(a.fh, 1);
    const said = mount.service.executed.flatMap((o) => ('killPrivileges' in o ? [o.killPrivileges] : []));
    expect(said).toEqual([true, true, false]);
  });

  it('what is beyond the largest file is refused, or nothing, without a call', async () => {
    const at = (mode: number, offset: number, length: number) =>
      mount.fs.allocate(ROOT, a.fh, mode, offset, length, never);
    const { fileBytes } = FileLimits;
    expect(await at(0, fileBytes - 1, 2)).toEqual({ errno: Errno.EFBIG });
    expect(await at(AllocateMode.KEEP_SIZE, 2 ** 62, 2 ** 62)).toEqual({ errno: Errno.EFBIG });
    expect(await at(3, 2 ** 63, 2 ** 62)).toEqual(OK);
    expect(await mount.fs.seek(a.fh, 2 ** 64, 'data')).toEqual({ errno: Errno.ENXIO });
    expect(await mount.fs.copy(ROOT, a.fh, fileBytes, b.fh, 0, 5)).toEqual({ errno: Errno.EFBIG });
    expect(await mount.fs.copy(ROOT, a.fh, 0, b.fh, 2 ** 63, 5)).toEqual({ errno: 0, length: 0 });
    expect(ops()).toEqual([]);
  });

  it('files opened by different users are copied by the kernel, with the rights of each', async () => {
    const opened = await mount.fs.open(USER, b.ino, RDWR);
    if (!('fh' in opened)) throw new Error('not opened');
    expect(await mount.fs.copy(USER, opened.fh, 0, a.fh, 0, 5)).toEqual({ errno: Errno.EXDEV });
    expect(mount.service.executedOf('copy')).toEqual([]);
  });

  it('a hole is told of when pages of mappings have been sent, if there can be any', async () => {
    mount.write(a.fh, 0, 'x'.repeat(5000));
    mount.service.data = 3500;
    expect(await mount.fs.seek(a.fh, 10, 'data')).toMatchObject({ errno: 0, offset: 3500 });
    expect(mount.laundered).toEqual([a.ino]);
    // Each time in as many operations as it takes.
    expect(mount.service.executedOf('seek')).toHaveLength(8);
    expect(await mount.fs.seek(a.fh, 4000, 'data')).toMatchObject({ offset: 4000 });
    expect(mount.laundered).toEqual([a.ino]);
    const reading = await mount.fs.open(ROOT, a.ino, 0);
    mount.fs.release(a.fh);
    if ('fh' in reading) expect(await mount.fs.seek(reading.fh, 10, 'hole')).toMatchObject({ offset: 10 });
    expect(mount.laundered).toEqual([a.ino]);
  });
});
