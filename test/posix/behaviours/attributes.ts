import assert from 'node:assert/strict';
import {
  chmod,
  chown,
  lstat,
  lutimes,
  mkdir,
  open,
  readFile,
  stat,
  statfs,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { pause, shell } from './support.js';

type Behaviour = (dir: string) => Promise<void>;

const permissions = (mode: number) => mode & 0o7777;

export const attributeBehaviours: Record<string, Behaviour> = {
  'mode of new files follows umask': async (dir) => {
    await shell('umask 027; : > f; mkdir d; umask 0; : > g', dir);
    assert.equal(permissions((await stat(join(dir, 'f'))).mode), 0o640);
    assert.equal(permissions((await stat(join(dir, 'd'))).mode), 0o750);
    assert.equal(permissions((await stat(join(dir, 'g'))).mode), 0o666);
  },
  chmod: async (dir) => {
    await writeFile(join(dir, 'f'), '');
    for (const mode of [0o000, 0o777, 0o4755, 0o2750, 0o1777, 0o644]) {
      await chmod(join(dir, 'f'), mode);
      assert.equal(permissions((await stat(join(dir, 'f'))).mode), mode);
    }
  },
  chown: async (dir) => {
    await writeFile(join(dir, 'f'), '');
    await chown(join(dir, 'f'), 1001, 1002);
    const { uid, gid } = await stat(join(dir, 'f'));
    assert.deepEqual([uid, gid], [1001, 1002]);
  },
  'nanosecond times': async (dir) => {
    await writeFile(join(dir, 'f'), '');
    await shell('touch -d "2001-02-03 04:05:06.123456789 UTC" f', dir);
    const { mtimeNs, atimeNs } = await stat(join(dir, 'f'), { bigint: true });
    assert.equal(mtimeNs, 981_173_106_123_456_789n);
    assert.equal(atimeNs, 981_173_106_123_456_789n);
  },
  'atime and mtime apart': async (dir) => {
    await writeFile(join(dir, 'f'), '');
    await shell('touch -a -d "2001-01-01 UTC" f; touch -m -d "2002-01-01 UTC" f', dir);
    const { atimeMs, mtimeMs } = await stat(join(dir, 'f'));
    assert.equal(atimeMs, Date.UTC(2001, 0, 1));
    assert.equal(mtimeMs, Date.UTC(2002, 0, 1));
  },
  'times before 1970': async (dir) => {
    await writeFile(join(dir, 'f'), '');
    await shell('touch -a -d @-12345 f; touch -m -d @-67890 f', dir);
    const { atimeMs, mtimeMs } = await stat(join(dir, 'f'));
    assert.deepEqual([atimeMs, mtimeMs], [-12_345_000, -67_890_000]);
  },
  'times set while data is being written stay': async (dir) => {
    const file = await open(join(dir, 'f'), 'w');
    try {
      await file.write('data');
      await file.utimes(1000, 2000);
    } finally {
      await file.close();
    }
    assert.equal((await stat(join(dir, 'f'))).mtimeMs, 2_000_000);
  },
  'times of a symbolic link': async (dir) => {
    await symlink('nowhere', join(dir, 'l'));
    await lutimes(join(dir, 'l'), 1000, 2000);
    assert.equal((await lstat(join(dir, 'l'))).mtimeMs, 2_000_000);
  },
  'writing changes mtime and ctime': async (dir) => {
    await writeFile(join(dir, 'f'), 'a');
    const before = await stat(join(dir, 'f'), { bigint: true });
    await pause(20);
    await writeFile(join(dir, 'f'), 'b');
    const after = await stat(join(dir, 'f'), { bigint: true });
    assert.ok(after.mtimeNs > before.mtimeNs && after.ctimeNs > before.ctimeNs);
  },
  'chmod changes ctime, not mtime': async (dir) => {
    await writeFile(join(dir, 'f'), 'a');
    const before = await stat(join(dir, 'f'), { bigint: true });
    await pause(20);
    await chmod(join(dir, 'f'), 0o600);
    const after = await stat(join(dir, 'f'), { bigint: true });
    assert.ok(after.ctimeNs > before.ctimeNs);
    assert.equal(after.mtimeNs, before.mtimeNs);
  },
  'a new entry changes the times of its directory': async (dir) => {
    await mkdir(join(dir, 'd'));
    const before = await stat(join(dir, 'd'), { bigint: true });
    await pause(20);
    await writeFile(join(dir, 'd', 'f'), '');
    const after = await stat(join(dir, 'd'), { bigint: true });
    assert.ok(after.mtimeNs > before.mtimeNs && after.ctimeNs > before.ctimeNs);
  },
  'file types': async (dir) => {
    await shell('mkfifo p; mkdir d; ln -s x l; : > f; mknod c c 1 3', dir);
    assert.ok((await lstat(join(dir, 'p'))).isFIFO());
    assert.ok((await lstat(join(dir, 'd'))).isDirectory());
    assert.ok((await lstat(join(dir, 'l'))).isSymbolicLink());
    assert.ok((await lstat(join(dir, 'f'))).isFile());
    assert.ok((await lstat(join(dir, 'c'))).isCharacterDevice());
    assert.equal((await lstat(join(dir, 'c'))).rdev, 0x103);
  },
  statfs: async (dir) => {
    const { bsize, blocks, bfree, files } = await statfs(dir);
    assert.ok(bsize > 0 && blocks > 0 && bfree > 0 && bfree <= blocks && files > 0);
  },
  'writing clears setuid': async (dir) => {
    await shell('printf x > f; chown 1234 f; chmod 4777 f', dir);
    await shell('printf y >> f', dir, { uid: 4321, gid: 4321 }).catch(() => assert.fail('others may write it'));
    assert.equal(permissions((await stat(join(dir, 'f'))).mode), 0o777);
    assert.equal(await readFile(join(dir, 'f'), 'utf8'), 'xy');
  },
};
