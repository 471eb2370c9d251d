import assert from 'node:assert/strict';
import { chmod, chown, link, mkdir, rename, stat, symlink, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CREATE,
  getXattr,
  listXattrs,
  REPLACE,
  removeXattr,
  setLongXattr,
  setXattr,
  syscall,
  type User,
} from '../syscalls.js';
import { fails, NOBODY, pause, SOMEBODY, shell } from './support.js';

type Behaviour = (dir: string) => Promise<void>;

async function file(dir: string, name = 'f', mode = 0o644): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, 'content');
  await chmod(path, mode);
  return path;
}

/** vfs_cap_data of revision 2: CAP_NET_BIND_SERVICE, permitted. */
const CAPABILITY = Buffer.from('0000000200040000000000000000000000000000', 'hex');

export const xattrBehaviours: Record<string, Behaviour> = {
  'extended attributes are set, read, listed, replaced and removed': async (dir) => {
    const f = await file(dir);
    await fails('ENODATA', getXattr(f, 'user.a'));
    await fails('ENODATA', removeXattr(f, 'user.a'));
    assert.deepEqual(await listXattrs(f), []);
    await setXattr(f, 'user.b', 'one');
    await setXattr(f, 'user.a', '');
    await setXattr(f, 'user.b', Buffer.of(0, 255, 0, 10));
    assert.deepEqual(await getXattr(f, 'user.b'), Buffer.of(0, 255, 0, 10));
    assert.deepEqual(await getXattr(f, 'user.a'), Buffer.of());
    assert.deepEqual(await listXattrs(f), ['user.a', 'user.b']);
    await removeXattr(f, 'user.b');
    await fails('ENODATA', getXattr(f, 'user.b'));
    assert.deepEqual(await listXattrs(f), ['user.a']);
  },
  'XATTR_CREATE and XATTR_REPLACE': async (dir) => {
    const f = await file(dir);
    await fails('ENODATA', setXattr(f, 'user.a', 'x', undefined, REPLACE));
    await setXattr(f, 'user.a', 'x', undefined, CREATE);
    await fails('EEXIST', setXattr(f, 'user.a', 'y', undefined, CREATE));
    assert.equal(String(await getXattr(f, 'user.a')), 'x');
    await setXattr(f, 'user.a', 'z', undefined, REPLACE);
    assert.equal(String(await getXattr(f, 'user.a')), 'z');
    await fails('EINVAL', setXattr(f, 'user.a', 'z', undefined, 8));
  },
  'with room for nothing the length of an attribute is told, with too little room ERANGE': async (dir) => {
    const f = await file(dir);
    assert.equal(await syscall(['listxattr', f, 0]), '0');
    await setXattr(f, 'user.abc', 'value');
    await setXattr(f, 'user.b', '');
    assert.equal(await syscall(['getxattr', f, 'user.abc', 0]), '5');
    assert.equal(await syscall(['getxattr', f, 'user.b', 0]), '0');
    assert.equal(await syscall(['getxattr', f, 'user.abc', 5]), Buffer.from('value').toString('hex'));
    await fails('ERANGE', syscall(['getxattr', f, 'user.abc', 4]));
    const length = 'user.abc\0user.b\0'.length;
    assert.equal(await syscall(['listxattr', f, 0]), String(length));
    assert.equal((await syscall(['listxattr', f, length])).length, 2 * length);
    await fails('ERANGE', syscall(['listxattr', f, length - 1]));
  },
  'names of attributes': async (dir) => {
    const f = await file(dir);
    const longest = `user.${'n'.repeat(250)}`;
    await setXattr(f, longest, 'x');
    assert.deepEqual(await listXattrs(f), [longest]);
    await fails('ERANGE', setXattr(f, `${longest}n`, 'x'));
    await fails('ERANGE', setXattr(f, '', 'x'));
    await fails('EINVAL', setXattr(f, 'user.', 'x'));
    for (const name of ['user', 'other.a', 'system.other']) {
      await fails('ENOTSUP', setXattr(f, name, 'x'));
      await fails('ENOTSUP', getXattr(f, name));
    }
    await removeXattr(f, longest);
    await fails('ENOTSUP', getXattr(f, 'other.a'));
    const odd = 'user.\xff\xfe é/..';
    await setXattr(f, odd, 'x');
    assert.deepEqual(await listXattrs(f), [Buffer.from(odd).toString('latin1')]);
  },
  'a value of an attribute is of 64 KiB at most': async (dir) => {
    const f = await file(dir);
    await fails('E2BIG', setLongXattr(f, 'user.a', 65_537));
    await setLongXattr(f, 'user.a', 1000);
    assert.equal(String(await getXattr(f, 'user.a')), 'v'.repeat(1000));
  },
  'many attributes': async (dir) => {
    const f = await file(dir);
    const names = Array.from({ length: 40 }, (_, i) => `user.${i}`);
    for (const name of names) await setXattr(f, name, name);
    assert.deepEqual(await listXattrs(f), names.sort());
    for (const name of names.slice(0, 39)) await removeXattr(f, name);
    assert.equal(String(await getXattr(f, names[39])), names[39]);
  },
  'an attribute moves ctime alone': async (dir) => {
    const f = await file(dir);
    for (const change of [() => setXattr(f, 'user.a', 'x'), () => removeXattr(f, 'user.a')]) {
      const before = await stat(f, { bigint: true });
      await pause(20);
      await change();
      const after = await stat(f, { bigint: true });
      assert.equal(after.mtimeNs, before.mtimeNs);
      assert.ok(after.ctimeNs > before.ctimeNs);
    }
  },
  'attributes are the file’s, not the name’s': async (dir) => {
    const f = await file(dir);
    await setXattr(f, 'user.a', 'x');
    await link(f, join(dir, 'g'));
    await rename(f, join(dir, 'h'));
    await setXattr(join(dir, 'h'), 'user.b', 'y');
    assert.deepEqual(await listXattrs(join(dir, 'g')), ['user.a', 'user.b']);
    await unlink(join(dir, 'g'));
    await unlink(join(dir, 'h'));
    assert.deepEqual(await listXattrs(await file(dir, 'h')), []);
  },
  'directories have attributes too': async (dir) => {
    await setXattr(dir, 'user.a', 'x');
    const d = join(dir, 'd');
    await mkdir(d);
    assert.deepEqual(await listXattrs(d), []);
    await setXattr(d, 'trusted.d', 'y');
    assert.equal(String(await getXattr(dir, 'user.a')), 'x');
    assert.deepEqual(await listXattrs(d), ['trusted.d']);
  },
  'a file without a name keeps its attributes while it is open': async (dir) => {
    const f = await file(dir);
    const value = Buffer.from('value').toString('hex');
    assert.equal(await syscall(['unlinked', f, 'user.a', value]), value);
  },
  'user attributes are for files and directories alone': async (dir) => {
    await file(dir);
    const l = join(dir, 'l');
    await symlink('f', l);
    await setXattr(l, 'user.a', 'of the file');
    assert.equal(String(await getXattr(join(dir, 'f'), 'user.a')), 'of the file');
    await fails('EPERM', syscall(['lsetxattr', l, 'user.a', '00']));
    await fails('ENODATA', syscall(['lgetxattr', l, 'user.a']));
    await fails('EPERM', syscall(['lremovexattr', l, 'user.a']));
    await syscall(['lsetxattr', l, 'trusted.a', '01']);
    assert.equal(await syscall(['lgetxattr', l, 'trusted.a']), '01');
    await fails('ENODATA', getXattr(join(dir, 'f'), 'trusted.a'));
    await shell('mkfifo p', dir);
    await fails('EPERM', setXattr(join(dir, 'p'), 'user.a', 'x'));
    await fails('ENODATA', getXattr(join(dir, 'p'), 'user.a'));
  },
  'user attributes need the permissions of the data': async (dir) => {
    await chmod(dir, 0o755);
    const f = await file(dir, 'f', 0o600);
    await setXattr(f, 'user.a', 'x');
    await fails('EACCES', getXattr(f, 'user.a', NOBODY));
    await fails('EACCES', setXattr(f, 'user.a', 'y', NOBODY));
    await chmod(f, 0o604);
    assert.equal(String(await getXattr(f, 'user.a', NOBODY)), 'x');
    await fails('EACCES', setXattr(f, 'user.a', 'y', NOBODY));
    await fails('EACCES', removeXattr(f, 'user.a', NOBODY));
    await chmod(f, 0o602);
    await setXattr(f, 'user.a', 'y', NOBODY);
    await fails('EACCES', getXattr(f, 'user.a', NOBODY));
    await removeXattr(f, 'user.a', NOBODY);
    assert.deepEqual(await listXattrs(f, NOBODY), []);
    await chown(f, SOMEBODY.uid, 4242);
    await chmod(f, 0o660);
    await fails('EACCES', setXattr(f, 'user.a', 'z', NOBODY));
    await setXattr(f, 'user.a', 'z', { ...NOBODY, groups: [4242] });
  },
  'user attributes of a sticky directory are its owner’s': async (dir) => {
    await chmod(dir, 0o755);
    const d = join(dir, 'd');
    await mkdir(d);
    await chown(d, SOMEBODY.uid, SOMEBODY.gid);
    await chmod(d, 0o777);
    await setXattr(d, 'user.a', 'x', NOBODY);
    await chmod(d, 0o1777);
    await fails('EPERM', setXattr(d, 'user.a', 'y', NOBODY));
    await fails('EPERM', removeXattr(d, 'user.a', NOBODY));
    assert.equal(String(await getXattr(d, 'user.a', NOBODY)), 'x');
    await setXattr(d, 'user.a', 'y', SOMEBODY);
  },
  'trusted attributes are root’s': async (dir) => {
    await chmod(dir, 0o755);
    const f = await file(dir);
    await chown(f, SOMEBODY.uid, SOMEBODY.gid);
    await setXattr(f, 'trusted.a', 'x');
    await setXattr(f, 'user.a', 'x');
    assert.deepEqual(await listXattrs(f), ['trusted.a', 'user.a']);
    assert.deepEqual(await listXattrs(f, SOMEBODY), ['user.a']);
    await fails('ENODATA', getXattr(f, 'trusted.a', SOMEBODY));
    await fails('EPERM', setXattr(f, 'trusted.a', 'y', SOMEBODY));
    await fails('EPERM', removeXattr(f, 'trusted.a', SOMEBODY));
  },
  'security attributes are root’s to set and everybody’s to read': async (dir) => {
    await chmod(dir, 0o755);
    const f = await file(dir, 'f', 0o600);
    await chown(f, SOMEBODY.uid, SOMEBODY.gid);
    await setXattr(f, 'security.a', 'x');
    assert.equal(String(await getXattr(f, 'security.a', NOBODY)), 'x');
    await fails('EPERM', setXattr(f, 'security.a', 'y', SOMEBODY));
    await fails('EPERM', removeXattr(f, 'security.a', SOMEBODY));
    await fails('EPERM', setXattr(f, 'security.capability', CAPABILITY, SOMEBODY));
  },
  'a file that is written to, cut or given away loses its capabilities': async (dir) => {
    const f = await file(dir, 'f', 0o755);
    const changes = [
      () => fails('ENODATA', syscall(['written', f, 'security.capability'])),
      () => writeFile(f, 'x', { flag: 'a' }),
      () => truncate(f, 1),
      () => writeFile(f, ''),
      () => chown(f, SOMEBODY.uid, SOMEBODY.gid),
    ];
    for (const change of changes) {
      await setXattr(f, 'security.capability', CAPABILITY);
      await setXattr(f, 'user.a', 'x');
      await chmod(f, 0o711);
      assert.deepEqual(await listXattrs(f), ['security.capability', 'user.a']);
      assert.deepEqual(await getXattr(f, 'security.capability'), CAPABILITY);
      await change();
      await fails('ENODATA', getXattr(f, 'security.capability'));
      assert.deepEqual(await listXattrs(f), ['user.a']);
    }
  },
  'and so it does where it is not root’s doing': async (dir) => {
    await chmod(dir, 0o755);
    const f = await file(dir);
    const member = { ...SOMEBODY, groups: [4242] };
    const changes: [user: User, mode: number, command: string][] = [
      [NOBODY, 0o666, 'echo x >> f'],
      [NOBODY, 0o666, ': > f'],
      [NOBODY, 0o662, 'truncate -s 1 f'],
      [SOMEBODY, 0o644, 'echo x >> f'],
      [member, 0o444, 'chgrp 4242 f'],
    ];
    for (const [user, mode, command] of changes) {
      await chown(f, SOMEBODY.uid, SOMEBODY.gid);
      await setXattr(f, 'security.capability', CAPABILITY);
      await chmod(f, mode);
      await fails('EPERM', removeXattr(f, 'security.capability', user));
      assert.deepEqual(await getXattr(f, 'security.capability', user), CAPABILITY);
      await syscall(['exec', '/bin/sh', '-ec', `cd ${dir}; ${command}`], user);
      await fails('ENODATA', getXattr(f, 'security.capability'));
    }
  },
  'cp -a takes attributes along': async (dir) => {
    const f = await file(dir);
    await setXattr(f, 'user.a', 'x');
    await setXattr(f, 'trusted.a', 'y');
    await shell('cp -a f g', dir);
    assert.deepEqual(await listXattrs(join(dir, 'g')), ['trusted.a', 'user.a']);
    assert.equal(String(await getXattr(join(dir, 'g'), 'user.a')), 'x');
  },
};
