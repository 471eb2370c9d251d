import assert from 'node:assert/strict';
import { chmod, mkdir, open, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compiled, dataCall } from '../compiled.js';
import { NOBODY, pattern, shell } from './support.js';

type Behaviour = (dir: string) => Promise<void>;

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

const allocated = async (file: string): Promise<number> => (await stat(file)).blocks * 512;

async function contentIs(file: string, expected: Buffer): Promise<void> {
  assert.ok((await readFile(file)).equals(expected), 'the file has other contents');
}

/** A file with so many bytes, and what is in it. */
async function filled(file: string, length: number): Promise<Buffer> {
  const content = pattern(length);
  await writeFile(file, content);
  return content;
}

const allocation: Record<string, Behaviour> = {
  'fallocate makes a file larger and takes space': async (dir) => {
    const f = join(dir, 'f');
    await writeFile(f, 'start');
    assert.equal(await dataCall('fallocate', f, 'reserve', 0, MIB), '0');
    assert.equal((await stat(f)).size, MIB);
    assert.ok((await allocated(f)) >= MIB);
    const expected = Buffer.alloc(MIB);
    expected.write('start');
    await contentIs(f, expected);
  },
  'posix_fallocate reserves what is missing and changes nothing': async (dir) => {
    const f = join(dir, 'f');
    await writeFile(f, '');
    await truncate(f, MIB);
    assert.equal(await dataCall('write', f, 300_000, 'middle'), '6');
    assert.equal(await dataCall('posix_fallocate', f, 0, MIB), '0');
    assert.ok((await allocated(f)) >= MIB);
    const expected = Buffer.alloc(MIB);
    expected.write('middle', 300_000);
    await contentIs(f, expected);
  },
  'FALLOC_FL_KEEP_SIZE reserves beyond the end': async (dir) => {
    const f = join(dir, 'f');
    const content = await filled(f, 1000);
    assert.equal(await dataCall('fallocate', f, 'keep', 0, MIB), '0');
    assert.equal((await stat(f)).size, 1000);
    assert.ok((await allocated(f)) >= MIB);
    await contentIs(f, content);
    await truncate(f, 1000);
    assert.ok((await allocated(f)) < MIB, 'a cut gives back what is beyond the end');
  },
  'a hole that is punched reads as zeros and gives its space back': async (dir) => {
    const f = join(dir, 'f');
    const content = await filled(f, MIB);
    assert.equal(await dataCall('fallocate', f, 'punch', 256 * KIB, 512 * KIB), '0');
    assert.equal((await stat(f)).size, MIB);
    assert.ok((await allocated(f)) <= 512 * KIB);
    content.fill(0, 256 * KIB, 768 * KIB);
    await contentIs(f, content);
  },
  'a hole of any bounds takes nothing else': async (dir) => {
    const f = join(dir, 'f');
    const content = await filled(f, 300_000);
    for (const [from, length] of [
      [1, 1],
      [4095, 2],
      [32_000, 70_001],
      [100_000, 31],
      [299_999, 1],
      [0, 17],
    ] as const) {
      assert.equal(await dataCall('fallocate', f, 'punch', from, length), '0');
      content.fill(0, from, from + length);
      await contentIs(f, content);
    }
  },
  'a hole beyond the end changes nothing': async (dir) => {
    const f = join(dir, 'f');
    const content = await filled(f, 5000);
    assert.equal(await dataCall('fallocate', f, 'punch', 6000, MIB), '0');
    assert.equal(await dataCall('fallocate', f, 'punch', 4000, MIB), '0');
    content.fill(0, 4000);
    await contentIs(f, content);
  },
  FALLOC_FL_ZERO_RANGE: async (dir) => {
    const f = join(dir, 'f');
    const content = await filled(f, 200_000);
    assert.equal(await dataCall('fallocate', f, 'zero', 1000, 100_001), '0');
    assert.equal(await dataCall('fallocate', f, 'zero-keep', 190_000, 50_000), '0');
    content.fill(0, 1000, 101_001).fill(0, 190_000);
    await contentIs(f, content);
    assert.equal(await dataCall('fallocate', f, 'zero', 190_000, 50_000), '0');
    await contentIs(f, Buffer.concat([content, Buffer.alloc(40_000)]));
  },
  'what was read before fallocate is not read after it': async (dir) => {
    const f = join(dir, 'f');
    const content = await filled(f, 200_000);
    const file = await open(f, 'r+');
    try {
      const read = async () => (await file.read(Buffer.alloc(200_000), 0, 200_000, 0)).buffer;
      assert.ok((await read()).equals(content));
      await file.write('just written', 50_000);
      content.write('just written', 50_000);
      assert.equal(await dataCall('fallocate', f, 'punch', 50_006, 1000), '0');
      content.fill(0, 50_006, 51_006);
      assert.ok((await read()).equals(content));
    } finally {
      await file.close();
    }
    await contentIs(f, content);
  },
  'fallocate: what is refused': async (dir) => {
    const f = join(dir, 'f');
    await filled(f, 100);
    for (const [offset, length] of [
      [-1, 10],
      [0, 0],
      [0, -1],
      [-5, -5],
    ] as const) {
      assert.equal(await dataCall('fallocate', f, 'reserve', offset, length), 'EINVAL');
    }
    assert.equal(await dataCall('fallocate', `${f}:r`, 'reserve', 0, 1), 'EBADF');
    assert.equal(await dataCall('fallocate', f, 'reserve', '9223372036854775807', 1), 'EFBIG');
    await shell('mkfifo p', dir);
    assert.equal(await dataCall('fallocate', join(dir, 'p'), 'reserve', 0, 1), 'ESPIPE');
    assert.equal((await stat(f)).size, 100);
  },
  'neither fallocate nor copy_file_range makes a file larger than its user may have one': async (dir) => {
    const program = await compiled('syscalls-data');
    await filled(join(dir, 'a'), 100_000);
    await filled(join(dir, 'f'), 1000);
    const limited = (call: string) => shell(`trap '' XFSZ; ulimit -f 100; ${program} ${call}`, dir);
    assert.equal(await limited('fallocate f reserve 0 60000'), 'EFBIG\n');
    assert.equal(await limited('fallocate f reserve 0 51200'), '0\n');
    assert.equal(await limited('copy a 0 f 51200 10'), 'EFBIG\n');
    assert.equal(await limited('copy a 0 f 51000 10000'), '200\n');
    assert.equal((await stat(join(dir, 'f'))).size, 51_200);
  },
  'fallocate through a descriptor that appends': async (dir) => {
    const f = join(dir, 'f');
    await filled(f, 100);
    assert.equal(await dataCall('fallocate', `${f}:a`, 'reserve', 0, 5000), '0');
    assert.equal((await stat(f)).size, 5000);
  },
  'fallocate moves mtime and takes suid away from those who may not keep it': async (dir) => {
    const f = join(dir, 'f');
    await filled(f, 100);
    const before = await stat(f, { bigint: true });
    await chmod(f, 0o4777);
    await shell(`${await compiled('syscalls-data')} fallocate f reserve 0 200`, dir);
    assert.equal((await stat(f)).mode & 0o7777, 0o4777);
    await shell(`${await compiled('syscalls-data')} fallocate f reserve 0 300`, dir, NOBODY);
    assert.equal((await stat(f)).mode & 0o7777, 0o777);
    const after = await stat(f, { bigint: true });
    assert.ok(after.mtimeNs > before.mtimeNs && after.ctimeNs > before.ctimeNs);
  },
};

const seeking: Record<string, Behaviour> = {
  'SEEK_DATA and SEEK_HOLE': async (dir) => {
    const f = join(dir, 'f');
    await writeFile(f, '');
    await truncate(f, 4 * MIB);
    assert.equal(await dataCall('seek', f, 'data', 0), 'ENXIO');
    assert.equal(await dataCall('seek', f, 'hole', 5), '5');
    assert.equal(await dataCall('write', f, MIB, 'data'), '4');
    assert.equal(await dataCall('seek', f, 'data', 0), String(MIB));
    assert.equal(await dataCall('seek', f, 'data', MIB + 2), String(MIB + 2));
    const hole = Number(await dataCall('seek', f, 'hole', MIB));
    assert.ok(hole > MIB && hole <= 2 * MIB, `a hole at ${hole}`);
    assert.equal(await dataCall('seek', f, 'data', hole), 'ENXIO');
    assert.equal(await dataCall('seek', f, 'hole', 0), '0');
  },
  'the end of a file is a hole, and nothing is beyond it': async (dir) => {
    const f = join(dir, 'f');
    await filled(f, 100_000);
    assert.equal(await dataCall('seek', f, 'hole', 0), '100000');
    assert.equal(await dataCall('seek', f, 'data', 99_999), '99999');
    for (const what of ['data', 'hole']) {
      for (const offset of [100_000, GIB, -1]) assert.equal(await dataCall('seek', f, what, offset), 'ENXIO');
    }
  },
  'data that was just written is found, and a hole just punched': async (dir) => {
    const f = join(dir, 'f');
    await writeFile(f, '');
    await truncate(f, 4 * MIB);
    const file = await open(f, 'r+');
    try {
      await file.write('new', 2 * MIB);
      assert.equal(await dataCall('seek', f, 'data', 0), String(2 * MIB));
      assert.equal(await dataCall('fallocate', f, 'punch', 2 * MIB, MIB), '0');
      assert.equal(await dataCall('seek', f, 'data', 0), 'ENXIO');
    } finally {
      await file.close();
    }
  },
  'data stored through a mapping is found before anybody syncs it': async (dir) => {
    const f = join(dir, 'f');
    await writeFile(f, '');
    await truncate(f, 4 * MIB);
    assert.equal(await dataCall('map-then-seek', f, 3 * MIB, 'mapped'), String(3 * MIB));
    const expected = Buffer.alloc(4 * MIB);
    expected.write('mapped', 3 * MIB);
    await contentIs(f, expected);
  },
};

const copying: Record<string, Behaviour> = {
  'copy_file_range from file to file': async (dir) => {
    const [a, b] = [join(dir, 'a'), join(dir, 'b')];
    const source = await filled(a, 3_000_000);
    await writeFile(b, 'before');
    assert.equal(await dataCall('copy-all', a, 1234, b, 77_777, 10_000_000), String(3_000_000 - 1234));
    const expected = Buffer.alloc(77_777 + 3_000_000 - 1234);
    expected.write('before');
    source.copy(expected, 77_777, 1234);
    await contentIs(b, expected);
    await contentIs(a, source);
  },
  'copy_file_range over what is there, with holes': async (dir) => {
    const [a, b] = [join(dir, 'a'), join(dir, 'b')];
    await writeFile(a, '');
    await truncate(a, 400_000);
    await dataCall('write', a, 200_000, 'between holes');
    const expected = await filled(b, 500_000);
    assert.equal(await dataCall('copy-all', a, 0, b, 50_001, 400_000), '400000');
    expected.fill(0, 50_001, 450_001).write('between holes', 250_001);
    await contentIs(b, expected);
  },
  'copy_file_range within a file': async (dir) => {
    const f = join(dir, 'f');
    const content = await filled(f, 200_000);
    assert.equal(await dataCall('copy-all', f, 100, f, 150_000, 90_000), '90000');
    assert.equal(await dataCall('copy-all', f, 100_000, f, 0, 100_000), '100000');
    const expected = Buffer.concat([content.subarray(0, 150_000), content.subarray(100, 90_100)]);
    expected.copy(expected, 0, 100_000, 200_000);
    await contentIs(f, expected);
    assert.equal(await dataCall('copy', f, 0, f, 50, 100), 'EINVAL');
    assert.equal(await dataCall('copy', f, 50, f, 0, 100), 'EINVAL');
    assert.equal(await dataCall('copy', f, 0, f, 0, 100), 'EINVAL');
  },
  'copy_file_range takes what was just written, and what it copied is read': async (dir) => {
    const source = await open(join(dir, 'a'), 'w+');
    const target = await open(join(dir, 'b'), 'w+');
    await source.write(pattern(200_000), 0, 200_000, 0);
    await target.write(pattern(200_000, 9), 0, 200_000, 0);
    const read = async () => (await target.read(Buffer.alloc(200_000), 0, 200_000, 0)).buffer;
    assert.ok((await read()).equals(pattern(200_000, 9)));
    await source.write('newest', 100_000);
    await target.write('newer', 10_000);
    assert.equal(await dataCall('copy-all', join(dir, 'a'), 50_000, join(dir, 'b'), 60_000, 100_000), '100000');
    const from = pattern(200_000);
    from.write('newest', 100_000);
    const expected = pattern(200_000, 9);
    expected.write('newer', 10_000);
    from.copy(expected, 60_000, 50_000, 150_000);
    assert.ok((await read()).equals(expected));
    await source.close();
    await target.close();
    await contentIs(join(dir, 'b'), expected);
  },
  'copy_file_range at the end of the source': async (dir) => {
    const [a, b] = [join(dir, 'a'), join(dir, 'b')];
    await filled(a, 1000);
    await writeFile(b, '');
    assert.equal(await dataCall('copy', a, 990, b, 0, 100), '10');
    assert.equal(await dataCall('copy', a, 1000, b, 0, 100), '0');
    assert.equal(await dataCall('copy', a, 5000, b, 0, 100), '0');
    assert.equal((await stat(b)).size, 10);
  },
  'copy_file_range: what is refused': async (dir) => {
    const [a, b] = [join(dir, 'a'), join(dir, 'b')];
    await filled(a, 1000);
    await writeFile(b, '');
    await mkdir(join(dir, 'd'));
    assert.equal(await dataCall('copy', a, 0, `${b}:r`, 0, 100), 'EBADF');
    assert.equal(await dataCall('copy', a, 0, `${b}:a`, 0, 100), 'EBADF');
    assert.equal(await dataCall('copy', `${a}:w`, 0, b, 0, 100), 'EBADF');
    assert.equal(await dataCall('copy', join(dir, 'd'), 0, b, 0, 100), 'EISDIR');
    assert.equal(await dataCall('copy', a, -1000, b, 0, 100), 'EINVAL');
    assert.equal(await dataCall('copy', a, 0, b, -1000, 100), 'EINVAL');
    assert.equal((await stat(b)).size, 0);
  },
  'copy_file_range moves mtime and takes suid away from those who may not keep it': async (dir) => {
    const f = join(dir, 'f');
    await filled(join(dir, 'a'), 100);
    await filled(f, 100);
    const before = await stat(f, { bigint: true });
    await chmod(f, 0o4777);
    await shell(`${await compiled('syscalls-data')} copy a:r 0 f:w 0 50`, dir, NOBODY);
    const after = await stat(f, { bigint: true });
    assert.equal(Number(after.mode) & 0o7777, 0o777);
    assert.ok(after.mtimeNs > before.mtimeNs && after.ctimeNs > before.ctimeNs);
  },
  'cp and cp --sparse': async (dir) => {
    const a = join(dir, 'a');
    const content = Buffer.concat([pattern(500_000), Buffer.alloc(2 * MIB), pattern(100_001)]);
    await writeFile(a, content);
    await shell('cp a b && cp --sparse=always a c && cp --sparse=never c d && cp c e', dir);
    for (const name of ['b', 'c', 'd', 'e']) await contentIs(join(dir, name), content);
    assert.ok((await allocated(join(dir, 'c'))) < 1.5 * MIB, 'zeros are left out');
  },
};

const large: Record<string, Behaviour> = {
  'files over 4 GiB': async (dir) => {
    const f = join(dir, 'f');
    const far = 5 * GIB + 3;
    await writeFile(f, 'near');
    assert.equal(await dataCall('write', f, far, 'far'), '3');
    assert.equal((await stat(f)).size, far + 3);
    assert.ok((await allocated(f)) < MIB);
    assert.equal(await dataCall('seek', f, 'data', MIB), String(5 * GIB));
    assert.equal(await dataCall('copy-all', f, far, f, 8 * GIB, 3), '3');
    assert.equal(await dataCall('fallocate', f, 'reserve', 9 * GIB, 64 * KIB), '0');
    assert.equal(await dataCall('fallocate', f, 'punch', 0, 8 * GIB - MIB), '0');
    assert.equal(await dataCall('seek', f, 'data', 0), String(8 * GIB));
    const file = await open(f, 'r');
    const at = async (offset: number) => (await file.read(Buffer.alloc(4), 0, 4, offset)).buffer.toString('latin1');
    assert.deepEqual([await at(8 * GIB), await at(far), await at(0)], ['far\0', '\0\0\0\0', '\0\0\0\0']);
    assert.equal((await stat(f)).size, 9 * GIB + 64 * KIB);
    await file.close();
    assert.equal(await dataCall('truncate', f, 4 * GIB + 1), '0');
    assert.equal((await stat(f)).size, 4 * GIB + 1);
    assert.equal((await stat(f)).blocks, 0);
  },
};

export const spaceBehaviours: Record<string, Behaviour> = { ...allocation, ...seeking, ...copying, ...large };
