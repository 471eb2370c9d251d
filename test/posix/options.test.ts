/** What mount options do to calls: whose they are, which directory they reach, when they are durable. */

import { readFileSync } from 'node:fs';
import {
  chmod,
  chown,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NOBODY, pause, SOMEBODY, shell } from './behaviours/support.js';
import { canMount, TestMount } from './mounted.js';

/** Names and attributes may be this old. */
const FRESH_MS = 1000;
const SQUASH = `uid=${SOMEBODY.uid},gid=${SOMEBODY.gid}`;

describe.skipIf(!canMount()).each(['session', 'strict'] as const)('mount options, %s', (profile) => {
  let mount: TestMount;
  beforeAll(async () => {
    mount = await TestMount.start({ profile });
    await chmod(mount.mountpoint, 0o777);
  });
  afterAll(async () => {
    await mount?.stop();
    expect(mount.log).toEqual([]);
  });
  /** What one mount changed, the others see by now. */
  const settled = () => pause(profile === 'strict' ? 0 : FRESH_MS + 100);

  describe('uid and gid', () => {
    let squashed: string;
    let made = 0;
    /** A new name, as the plain and as the squashed mount have it. */
    const fresh = () => {
      const name = `${profile}-squash-${made++}`;
      return { plain: join(mount.mountpoint, name), squashed: join(squashed, name) };
    };
    beforeAll(async () => {
      squashed = await mount.also(SQUASH);
    });

    it.each([
      ['root', undefined],
      ['another user', NOBODY],
    ])('make %s make files as that user', async (_, user) => {
      const { plain, squashed: path } = fresh();
      await shell(
        `mkdir ${path}; echo x > ${path}/f; ln -s t ${path}/s; chmod 600 ${path}/f; cat ${path}/f`,
        '/',
        user,
      );
      for (const each of [plain, `${plain}/f`]) expect(await stat(each)).toMatchObject(SOMEBODY);
    });

    it('show attributes as they are', async () => {
      const { plain, squashed: path } = fresh();
      await writeFile(plain, '');
      await chown(plain, 77, 88);
      await settled();
      expect(await stat(path)).toMatchObject({ uid: 77, gid: 88 });
    });

    it('take root what only root may do', async () => {
      const { plain, squashed: path } = fresh();
      await mkdir(plain);
      await writeFile(`${plain}/f`, 'secret', { mode: 0o600 });
      await settled();
      await expect(shell(`cat ${path}/f`, '/')).rejects.toThrow(/Permission denied/);
      await expect(shell(`chown 0:0 ${path}/f`, '/')).rejects.toThrow(/ermission denied|not permitted/);
      await expect(shell(`rm -f ${path}/f`, '/')).rejects.toThrow(/Permission denied/);
      await expect(shell(`touch ${path}/g`, '/')).rejects.toThrow(/Permission denied/);
      await chmod(plain, 0o700);
      await settled();
      await expect(shell(`cd ${path}`, '/')).rejects.toThrow(/(Permission denied|can't cd)/);
      await expect(shell(`ls ${path}`, '/')).rejects.toThrow(/Permission denied/);
    });

    it('give others what that user may do, and not what their groups may', async () => {
      const { plain, squashed: path } = fresh();
      await mkdir(plain);
      await writeFile(`${plain}/own`, 'own', { mode: 0o600 });
      await chown(`${plain}/own`, SOMEBODY.uid, 0);
      await writeFile(`${plain}/group`, 'group', { mode: 0o640 });
      await chown(`${plain}/group`, 0, NOBODY.gid);
      await settled();
      expect(await shell(`cat ${path}/own; echo more >> ${path}/own; chmod 400 ${path}/own`, '/', NOBODY)).toBe('own');
      await settled();
      expect((await stat(`${plain}/own`)).mode & 0o777).toBe(0o400);
      expect(await shell(`cat ${plain}/group`, '/', NOBODY)).toBe('group');
      await expect(shell(`cat ${path}/group`, '/', NOBODY)).rejects.toThrow(/Permission denied/);
    });

    it('are whom access(2) answers for', async () => {
      const { plain, squashed: path } = fresh();
      await mkdir(plain);
      const may = (what: string, user?: { uid: number; gid: number }) =>
        shell(`test ${what} && echo yes || echo no`, '/', user).then((line) => line.trim());
      await writeFile(`${plain}/f`, '', { mode: 0o600 });
      await settled();
      expect([await may(`-r ${path}/f`), await may(`-w ${path}`), await may(`-x ${path}`)]).toEqual([
        'no',
        'no',
        'yes',
      ]);
      expect([await may(`-e ${path}/f`), await may(`-e ${path}/g`)]).toEqual(['yes', 'no']);
      await chown(plain, SOMEBODY.uid, 0);
      await chown(`${plain}/f`, SOMEBODY.uid, 0);
      await settled();
      expect([await may(`-r ${path}/f`, NOBODY), await may(`-x ${path}/f`, NOBODY)]).toEqual(['yes', 'no']);
      expect(await may(`-w ${path}`, NOBODY)).toBe('yes');
    });
  });

  describe('subdir', () => {
    const name = `${profile}-sub`;
    let whole: string;
    beforeAll(async () => {
      whole = join(mount.mountpoint, name);
      await mkdir(join(whole, 'é', 'inner'), { recursive: true });
      await writeFile(join(whole, 'above'), 'not to be seen');
      await symlink('é', join(whole, 'link'));
    });

    it('shows that directory, and nothing above it', async () => {
      const sub = await mount.also(`subdir=/${name}/é`);
      await writeFile(join(sub, 'f'), 'content');
      await settled();
      expect(await readFile(join(whole, 'é', 'f'), 'utf8')).toBe('content');
      expect((await readdir(sub)).sort()).toEqual(['f', 'inner']);
      expect((await stat(sub)).ino).toBe((await stat(join(whole, 'é'))).ino);
      await expect(stat(join(sub, 'inner', '..', '..', 'above'))).rejects.toThrow(/ENOENT/);
      await expect(stat(join(sub, 'above'))).rejects.toThrow(/ENOENT/);
    });

    it('is a root as any other: changed, renamed in, listed, and told of', async () => {
      const sub = await mount.also(`subdir=${name}/é/inner`);
      const all = join(whole, 'é', 'inner');
      await mkdir(join(sub, 'd'));
      await writeFile(join(sub, 'd', 'x'), 'x');
      await rename(join(sub, 'd', 'x'), join(sub, 'y'));
      await rm(join(sub, 'd'), { recursive: true });
      await chmod(sub, 0o750);
      await utimes(sub, 1000, 2000);
      await settled();
      expect((await stat(all)).mode & 0o777).toBe(0o750);
      expect((await stat(sub)).mtimeMs).toBe(2_000_000);
      expect(await readdir(all)).toEqual(['y']);
      const directory = await open(sub);
      await directory.sync();
      await directory.close();
      await rm(join(all, 'y'));
      // A listing has the kernel forget names that others removed.
      expect(await readdir(sub)).toEqual([]);
      await expect.poll(() => stat(join(sub, 'y')).catch(({ code }) => code), { timeout: 5000 }).toBe('ENOENT');
    });

    it('stays with the directory when that is moved, and ends with it', async () => {
      await mkdir(join(whole, 'moved', 'd'), { recursive: true });
      const sub = await mount.also(`subdir=${name}/moved/d`);
      await writeFile(join(sub, 'f'), '1');
      await rename(join(whole, 'moved', 'd'), join(whole, 'moved', 'e'));
      expect(await readFile(join(sub, 'f'), 'utf8')).toBe('1');
      await rm(join(whole, 'moved', 'e'), { recursive: true });
      await expect(writeFile(join(sub, 'f'), '2')).rejects.toThrow(/-116|ENOENT/);
      expect(await readdir(whole)).toContain('moved');
    });

    it('is refused if it is none', async () => {
      await expect(mount.also(`subdir=/${name}/none/x`)).rejects.toThrow(
        `subdir /${name}/none does not exist: make it in a mount of the whole file system first`,
      );
      await expect(mount.also(`subdir=/${name}/above`)).rejects.toThrow(`subdir /${name}/above is not a directory`);
      await expect(mount.also(`subdir=/${name}/link`)).rejects.toThrow(`subdir /${name}/link is not a directory`);
      await chmod(whole, 0o700);
      await expect(mount.also(`subdir=/${name}/é,${SQUASH}`)).rejects.toThrow(
        `subdir /${name}/é cannot be reached by uid ${SOMEBODY.uid}, gid ${SOMEBODY.gid}`,
      );
      await chmod(whole, 0o755);
    });
  });
});

describe.skipIf(!canMount())('what the kernel is told', () => {
  it('are flags of the mount', async () => {
    const mount = await TestMount.start({ profile: 'session' });
    const flags = (mountpoint: string) => {
      const lines = readFileSync('/proc/self/mounts', 'utf8').split('\n');
      return lines
        .find((line) => line.split(' ')[1] === mountpoint)!
        .split(' ')[3]
        .split(',');
    };
    try {
      expect(flags(mount.mountpoint)).toEqual(expect.arrayContaining(['rw', 'nosuid', 'nodev', 'default_permissions']));
      const other = await mount.also('suid,dev,noexec,noatime,sync,ro,no_allow_other');
      expect(flags(other)).toEqual(expect.arrayContaining(['ro', 'noexec', 'noatime', 'sync', 'default_permissions']));
      for (const absent of ['nosuid', 'nodev', 'allow_other']) expect(flags(other)).not.toContain(absent);
      const squashed = await mount.also(SQUASH);
      expect(flags(squashed)).not.toContain('default_permissions');
    } finally {
      await mount.stop();
    }
  });
});

describe.skipIf(!canMount()).each(['session', 'strict'] as const)('synchronous changes, %s', (profile) => {
  const work = `
    mkdir d; mkdir d/e; : > f; ln f g; ln -s t s; mkfifo p; mv g d/g; rm f; rmdir d/e`;
  const names = 9;

  it.each([
    ['async', 0, 0],
    ['dirsync', names, 0],
    ['sync', names, 1],
  ])('%s', async (options, ofNames, ofRest) => {
    const mount = await TestMount.start({ profile, options });
    try {
      const { fsync: forNames = 0 } = await mount.callsOf(() => shell(work, mount.mountpoint));
      expect(forNames).toBe(ofNames);
      const changing = await mount.callsOf(() => shell('chmod 600 d/g', mount.mountpoint));
      expect(changing.fsync ?? 0).toBe(ofRest);
      const writing = await mount.callsOf(() =>
        shell('dd if=/dev/zero of=d/g bs=1000 count=3 conv=notrunc', mount.mountpoint),
      );
      expect(writing.fsync ?? 0).toBe(3 * ofRest);
      expect(await readFile(join(mount.mountpoint, 'd/g'))).toEqual(Buffer.alloc(3000));
      expect(mount.log).toEqual([]);
    } finally {
      await mount.stop();
    }
  });
});
