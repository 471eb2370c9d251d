import assert from 'node:assert/strict';
import { constants } from 'node:fs';
import { chmod, chown, copyFile, lchown, mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getXattr, listXattrs, removeXattr, setXattr, syscall, type User } from '../syscalls.js';
import { fails, shell } from './support.js';

type Behaviour = (dir: string) => Promise<void>;

const ACCESS = 'system.posix_acl_access';
const DEFAULT = 'system.posix_acl_default';

const TAGS: Record<string, number> = { 'u:': 1, u: 2, 'g:': 4, g: 8, 'm:': 16, 'o:': 32 };
const NO_ID = 0xffff_ffff;

/** The attribute's bytes (linux/posix_acl_xattr.h) of a list in setfacl's short text form: `u::rwx,u:1001:r--,…`. */
export function acl(text: string): Buffer {
  const entries = text.split(',').map((entry) => {
    const [kind, id, permissions] = entry.split(':');
    const b = Buffer.alloc(8);
    b.writeUInt16LE(TAGS[id === '' ? `${kind}:` : kind], 0);
    b.writeUInt16LE(
      [...'xwr'].reduce((bits, letter, i) => bits | (permissions.includes(letter) ? 1 << i : 0), 0),
      2,
    );
    b.writeUInt32LE(id === '' ? NO_ID : Number(id), 4);
    return b;
  });
  return Buffer.concat([Buffer.of(2, 0, 0, 0), ...entries]);
}

const setAcl = (path: string, text: string, name = ACCESS, user?: User) => setXattr(path, name, acl(text), user);
const hasAcl = async (path: string, text: string, name = ACCESS): Promise<void> =>
  assert.equal((await getXattr(path, name)).toString('hex'), acl(text).toString('hex'));
const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o7777;

const OWNER: User = { uid: 2000, gid: 2000 };
const NAMED: User = { uid: 2001, gid: 2001 };
const MEMBER: User = { uid: 2002, gid: 2002, groups: [3000] };
const BOTH: User = { uid: 2003, gid: 3000, groups: [3001] };
const OTHER: User = { uid: 2004, gid: 2004 };

/** A file of OWNER's and group 3000. */
async function owned(dir: string, name = 'f', mode = 0o600): Promise<string> {
  const path = join(dir, name);
  await chmod(dir, 0o755);
  await writeFile(path, 'content');
  await chown(path, OWNER.uid, 3000);
  await chmod(path, mode);
  return path;
}

async function mayOpen(path: string, user: User): Promise<string> {
  const { O_RDONLY, O_WRONLY, O_RDWR } = constants;
  const opens = async (flags: number, letter: string): Promise<string> => {
    const opened = syscall(['open', path, flags], user).then(() => letter);
    return opened.catch((error: NodeJS.ErrnoException) => {
      assert.equal(error.code, 'EACCES', error.message);
      return '-';
    });
  };
  return `${await opens(O_RDONLY, 'r')}${await opens(O_WRONLY, 'w')}${await opens(O_RDWR, 'b')}`;
}

export const aclBehaviours: Record<string, Behaviour> = {
  'an access list grants and denies: owner, named users, groups under the mask, others': async (dir) => {
    const f = await owned(dir);
    const expect = async (text: string, expected: [user: User, may: string][]): Promise<void> => {
      await setAcl(f, text);
      for (const [user, may] of expected) assert.equal(await mayOpen(f, user), may, `${text} for ${user.uid}`);
    };
    await expect('u::r--,u:2001:rw-,g::r--,g:3001:-w-,m::rw-,o::---', [
      [OWNER, 'r--'],
      [NAMED, 'rwb'],
      [MEMBER, 'r--'],
      // One group to read, another to write: none for both.
      [BOTH, 'rw-'],
      [OTHER, '---'],
    ]);
    await expect('u::rw-,u:2001:rw-,g::rw-,g:3001:rw-,m::r--,o::rw-', [
      [OWNER, 'rwb'],
      [NAMED, 'r--'],
      [MEMBER, 'r--'],
      [BOTH, 'r--'],
      [OTHER, 'rwb'],
    ]);
    await expect('u::---,u:2001:---,g::---,g:3001:---,m::rwx,o::rwx', [
      [OWNER, '---'],
      [NAMED, '---'],
      [MEMBER, '---'],
      [BOTH, '---'],
      [OTHER, 'rwb'],
    ]);
    // A list whose group class has no permission is not looked at: the mode's bits decide (acl_permission_check).
    await expect('u::rw-,u:2001:rw-,g::rw-,m::---,o::r--', [
      [NAMED, 'r--'],
      [MEMBER, '---'],
      [OTHER, 'r--'],
    ]);
  },
  'an access list counts in directories: to search, to list, to add': async (dir) => {
    await chmod(dir, 0o755);
    const d = join(dir, 'd');
    await mkdir(d, { mode: 0o700 });
    await writeFile(join(d, 'f'), 'content');
    const as = (user: User, command: string) => syscall(['exec', '/bin/sh', '-c', command], user);
    const refused = (command: string) => assert.rejects(as(NAMED, command));
    await refused(`cat ${d}/f`);
    await setAcl(d, 'u::rwx,u:2001:--x,g::---,m::rwx,o::---');
    assert.equal(await as(NAMED, `cat ${d}/f`), 'content');
    await refused(`ls ${d}`);
    await refused(`: > ${d}/g`);
    await setAcl(d, 'u::rwx,u:2001:rwx,g::---,m::r-x,o::---');
    assert.equal(await as(NAMED, `ls ${d}`), 'f');
    await refused(`: > ${d}/g`);
    await setAcl(d, 'u::rwx,u:2001:rwx,g::---,m::rwx,o::---');
    await as(NAMED, `: > ${d}/g && mv ${d}/g ${d}/h && rm ${d}/h`);
    await assert.rejects(as(OTHER, `ls ${d}`));
    await chmod(d, 0o700);
    await refused(`ls ${d}`);
  },
  'an access list may let a user execute': async (dir) => {
    await chmod(dir, 0o755);
    const f = join(dir, 'true');
    await copyFile('/bin/true', f);
    await chmod(f, 0o700);
    await fails('EACCES', syscall(['exec', f], NAMED));
    await setAcl(f, 'u::rwx,u:2001:--x,g::---,m::--x,o::---');
    await syscall(['exec', f], NAMED);
    await fails('EACCES', syscall(['exec', f], OTHER));
  },
  'the mode shows an access list, and chmod changes its mask': async (dir) => {
    const f = await owned(dir, 'f', 0o4755);
    await setAcl(f, 'u::rw-,u:2001:rwx,g::r--,m::rwx,o::--x');
    assert.equal(await modeOf(f), 0o4671);
    await chmod(f, 0o750);
    await hasAcl(f, 'u::rwx,u:2001:rwx,g::r--,m::r-x,o::---');
    assert.equal(await modeOf(f), 0o750);
    assert.deepEqual(await listXattrs(f), [ACCESS]);
    assert.equal(await mayOpen(f, NAMED), 'r--');
    await chmod(f, 0o770);
    assert.equal(await mayOpen(f, NAMED), 'rwb');
  },
  'a list that says what a mode can say is none': async (dir) => {
    const f = await owned(dir);
    await setAcl(f, 'u::rw-,g::r-x,o::--x');
    assert.equal(await modeOf(f), 0o651);
    await fails('ENODATA', getXattr(f, ACCESS));
    assert.deepEqual(await listXattrs(f), []);
    await setAcl(f, 'u::rw-,u:2001:r--,g::r-x,m::r--,o::--x');
    await setAcl(f, 'u::rw-,g::r-x,o::--x');
    assert.deepEqual(await listXattrs(f), []);
    await setAcl(f, 'u::rw-,g::r-x,m::---,o::--x');
    await hasAcl(f, 'u::rw-,g::r-x,m::---,o::--x');
    assert.equal(await modeOf(f), 0o601);
  },
  'a list taken away leaves the mode; to take it away twice is no failure': async (dir) => {
    const f = await owned(dir);
    await setAcl(f, 'u::rw-,u:2001:rw-,g::---,m::rw-,o::---');
    await removeXattr(f, ACCESS);
    assert.equal(await modeOf(f), 0o660);
    assert.equal(await mayOpen(f, NAMED), '---');
    assert.equal(await mayOpen(f, MEMBER), 'rwb');
    await removeXattr(f, ACCESS);
    await removeXattr(f, DEFAULT);
  },
  'a list is its owner’s to set': async (dir) => {
    const f = await owned(dir, 'f', 0o666);
    const text = 'u::rw-,u:2001:rw-,g::---,m::rw-,o::rw-';
    await fails('EPERM', setAcl(f, text, ACCESS, OTHER));
    await setAcl(f, text, ACCESS, OWNER);
    await fails('EPERM', removeXattr(f, ACCESS, NAMED));
    await hasAcl(f, text);
    assert.equal((await getXattr(f, ACCESS, OTHER)).toString('hex'), acl(text).toString('hex'));
    await removeXattr(f, ACCESS, OWNER);
  },
  'setting a list takes setgid from a file of a group that its owner is not in': async (dir) => {
    const f = await owned(dir, 'f', 0o2664);
    await setAcl(f, 'u::rw-,u:2001:rw-,g::rw-,m::rw-,o::r--', ACCESS, { ...OWNER, groups: [3000] });
    assert.equal(await modeOf(f), 0o2664);
    await setAcl(f, 'u::rw-,u:2001:rw-,g::rw-,m::rw-,o::---', ACCESS, OWNER);
    assert.equal(await modeOf(f), 0o660);
  },
  'what is no list is refused': async (dir) => {
    const f = await owned(dir);
    const wrong = [
      'u::rw-,g::r--',
      'u::rw-,u:2001:r--,g::r--,o::---',
      'g::rw-,u::r--,o::---',
      'u::rw-,g::r--,o::---,o::---',
      'u::rw-,g::r--,u:2001:r--,m::r--,o::---',
    ];
    for (const text of wrong) await fails('EINVAL', setAcl(f, text));
    await fails('EINVAL', setXattr(f, ACCESS, acl('u::rw-,g::r--,o::---').subarray(0, 21)));
    assert.equal(await modeOf(f), 0o600);
    await fails('EACCES', setAcl(f, 'u::rw-,g::r--,o::---', DEFAULT));
    await symlink('f', join(dir, 'l'));
    await lchown(join(dir, 'l'), OWNER.uid, OWNER.gid);
    const bytes = acl('u::rw-,u:2001:r--,g::r--,m::r--,o::---').toString('hex');
    await fails('ENOTSUP', syscall(['lsetxattr', join(dir, 'l'), ACCESS, bytes]));
  },
  'a default list is what new files and directories get, and then the umask does not count': async (dir) => {
    await chmod(dir, 0o755);
    const text = 'u::rwx,u:2001:rwx,g::r-x,m::rwx,o::r--';
    await setAcl(dir, text, DEFAULT);
    assert.equal(await modeOf(dir), 0o755);
    await shell('umask 077; : > f; mkdir d; mkfifo p; ln -s f l', dir);
    await hasAcl(join(dir, 'f'), 'u::rw-,u:2001:rwx,g::r-x,m::rw-,o::r--');
    await hasAcl(join(dir, 'p'), 'u::rw-,u:2001:rwx,g::r-x,m::rw-,o::r--');
    await hasAcl(join(dir, 'd'), text);
    await hasAcl(join(dir, 'd'), text, DEFAULT);
    assert.deepEqual(await Promise.all(['f', 'd', 'p'].map((name) => modeOf(join(dir, name)))), [0o664, 0o774, 0o664]);
    await fails('ENODATA', getXattr(join(dir, 'f'), DEFAULT));
    assert.equal(await mayOpen(join(dir, 'f'), NAMED), 'rwb');
    await shell('mkdir d/e; : > d/e/g', dir);
    await hasAcl(join(dir, 'd', 'e', 'g'), 'u::rw-,u:2001:rwx,g::r-x,m::rw-,o::r--');
    await removeXattr(dir, DEFAULT);
    await shell('umask 027; : > plain; mkdir bare', dir);
    assert.deepEqual([await modeOf(join(dir, 'plain')), await modeOf(join(dir, 'bare'))], [0o640, 0o750]);
    assert.deepEqual(await listXattrs(join(dir, 'bare')), []);
  },
  'a default list of three entries sets modes and no more': async (dir) => {
    await setAcl(dir, 'u::rwx,g::rwx,o::---', DEFAULT);
    await shell('umask 077; : > f; mkdir d', dir);
    assert.deepEqual([await modeOf(join(dir, 'f')), await modeOf(join(dir, 'd'))], [0o660, 0o770]);
    assert.deepEqual(await listXattrs(join(dir, 'f')), []);
    assert.deepEqual(await listXattrs(join(dir, 'd')), [DEFAULT]);
  },
  'cp -a takes access lists along': async (dir) => {
    const text = 'u::rw-,u:2001:rw-,g::r--,m::rw-,o::---';
    await setAcl(await owned(dir), text);
    await shell('cp -a f g', dir);
    await hasAcl(join(dir, 'g'), text);
  },
};
