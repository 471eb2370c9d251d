import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NOBODY, pause, SOMEBODY, shell } from './support.js';

type Behaviour = (dir: string) => Promise<void>;

/** The script must be refused; run in `dir` as that user. */
const refused = (script: string, dir: string, user: { uid: number; gid: number }) =>
  assert.rejects(shell(script, dir, user));

export const permissionBehaviours: Record<string, Behaviour> = {
  'others cannot read what is not theirs': async (dir) => {
    await chmod(dir, 0o755);
    await writeFile(join(dir, 'f'), 'secret', { mode: 0o600 });
    await refused('cat f', dir, NOBODY);
    await chmod(join(dir, 'f'), 0o644);
    assert.equal(await shell('cat f', dir, NOBODY), 'secret');
  },
  'others cannot write where they may not': async (dir) => {
    await chmod(dir, 0o755);
    await refused(': > f', dir, NOBODY);
    await refused('mkdir d', dir, NOBODY);
  },
  'a user owns what the user makes': async (dir) => {
    await chmod(dir, 0o777);
    await shell('echo mine > f; mkdir d; ln -s x l', dir, SOMEBODY);
    for (const name of ['f', 'd']) {
      const { uid, gid } = await stat(join(dir, name));
      assert.deepEqual([uid, gid], [SOMEBODY.uid, SOMEBODY.gid]);
    }
  },
  'the owner can write a file made read-only': async (dir) => {
    await chmod(dir, 0o777);
    await shell('umask 777; echo written > f', dir, SOMEBODY);
    assert.equal(await readFile(join(dir, 'f'), 'utf8'), 'written\n');
    assert.equal((await stat(join(dir, 'f'))).mode & 0o777, 0);
  },
  'sticky directories': async (dir) => {
    await chmod(dir, 0o1777);
    await shell(': > f', dir, SOMEBODY);
    await refused('rm -f f', dir, NOBODY);
    await refused('mv f g', dir, NOBODY);
    await shell('rm f', dir, SOMEBODY);
  },
  'setgid directories hand their group down': async (dir) => {
    await mkdir(join(dir, 'd'));
    await chown(join(dir, 'd'), 0, 4242);
    await chmod(join(dir, 'd'), 0o2777);
    await shell('cd d; : > f; mkdir s', dir, SOMEBODY);
    assert.equal((await stat(join(dir, 'd', 'f'))).gid, 4242);
    const sub = await stat(join(dir, 'd', 's'));
    assert.equal(sub.gid, 4242);
    assert.equal(sub.mode & 0o2000, 0o2000);
  },
  'supplementary groups count': async (dir) => {
    await chmod(dir, 0o755);
    await writeFile(join(dir, 'f'), 'for the group');
    await chown(join(dir, 'f'), 0, 4242);
    await chmod(join(dir, 'f'), 0o640);
    await mkdir(join(dir, 'd'));
    await chown(join(dir, 'd'), 0, 4242);
    await chmod(join(dir, 'd'), 0o770);
    const member = 'setpriv --reuid 1234 --regid 1234 --groups 4242,77';
    assert.equal(await shell(`${member} cat f`, dir), 'for the group');
    await shell(`${member} sh -c 'echo x > d/new && chgrp 4242 d/new'`, dir);
    await assert.rejects(shell('setpriv --reuid 1234 --regid 1234 --clear-groups cat f', dir));
  },
  'who has no supplementary groups is not of group 0': async (dir) => {
    await chmod(dir, 0o755);
    await mkdir(join(dir, 'd'));
    await writeFile(join(dir, 'd', 'f'), 'for all but the group');
    await chmod(join(dir, 'd'), 0o705);
    await chmod(join(dir, 'd', 'f'), 0o604);
    const stranger = 'setpriv --reuid 1234 --regid 1234 --clear-groups';
    assert.equal(await shell(`${stranger} cat d/f`, dir), 'for all but the group');
  },
  'what a file was opened for holds when it is given away': async (dir) => {
    await chmod(dir, 0o777);
    const script = `import os, time
os.setgroups([]); os.setgid(1234); os.setuid(1234)
f = os.open('f', os.O_RDWR | os.O_CREAT, 0o600)
os.write(f, b'before')
open('opened', 'w').close()
while not os.path.exists('given'): time.sleep(0.01)
os.write(f, b' and after')
os.fsync(f)
print(os.pread(f, 100, 0).decode())
os.ftruncate(f, 6)
os.close(f)`;
    const user = shell(`exec python3 -c "${script}"`, dir);
    const opened = async (): Promise<boolean> => (await readdir(dir)).includes('opened');
    while (!(await opened())) await Promise.race([pause(10), user]);
    await chown(join(dir, 'f'), 77, 88);
    await writeFile(join(dir, 'given'), '');
    assert.equal(await user, 'before and after\n');
    assert.equal(await readFile(join(dir, 'f'), 'utf8'), 'before');
  },
  'only the owner changes mode and times': async (dir) => {
    await chmod(dir, 0o755);
    await writeFile(join(dir, 'f'), '', { mode: 0o666 });
    await refused('chmod 600 f', dir, NOBODY);
    await refused('touch -d 2001-01-01 f', dir, NOBODY);
    await chmod(join(dir, 'f'), 0o666);
    await shell('touch f', dir, NOBODY);
  },
  'a program may be executable and not readable': async (dir) => {
    await chmod(dir, 0o755);
    await shell('cp /bin/true prog; chmod 711 prog', dir);
    await shell('./prog', dir, NOBODY);
    await refused('cat prog', dir, NOBODY);
  },
};
