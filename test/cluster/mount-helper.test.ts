/**
 * mount(8) and fstab(5) with the helper. /sbin is that of a mount namespace of its own, an overlay on this machine's; so
 * is all that gets mounted, and it is gone with the namespace.
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run, TestCluster } from './harness.js';

const HELPER = path.resolve(import.meta.dirname, '../../dist/src/cli/mount-helper.js');

describe('mount.fuse.byzfs', { timeout: 120_000 }, () => {
  const cluster = new TestCluster(1);
  const { directory, scratch } = cluster;
  const mnt = path.join(scratch, 'mnt');
  const fstab = path.join(scratch, 'fstab');

  beforeAll(async () => {
    await cluster.init('--client', 'mount', '--client', 'alice');
    await cluster.up('--no-mount');
    fs.mkdirSync(mnt);
    fs.mkdirSync(path.join(scratch, 'sbin'));
  }, 180_000);
  afterAll(() => cluster.destroy(), 60_000);

  /** Runs a script where mount(8) finds the helper. */
  const inNamespace = (script: string) => {
    const sbin = fs.realpathSync('/sbin');
    // What others have mounted was copied: lest it outlived their unmounting, it goes from here at once.
    const setup = `
      for copy in $(grep ' fuse[. ]' /proc/self/mounts | cut -d ' ' -f 2); do umount -i -c -l $copy 2> /dev/null || true; done
      mount -t tmpfs none ${scratch}/sbin
      mkdir ${scratch}/sbin/upper ${scratch}/sbin/work
      mount -t overlay none -o lowerdir=${sbin},upperdir=${scratch}/sbin/upper,workdir=${scratch}/sbin/work ${sbin}
      ln -s ${HELPER} ${sbin}/mount.fuse.byzfs`;
    return run('unshare', ['-m', 'bash', '--norc', '-euc', `${setup}\n${script}`], { timeoutMs: 90_000 });
  };
  const umount = `umount ${mnt}; while pgrep -f "^[^ ]*node .* mount ${directory} ${mnt} " > /dev/null; do sleep 0.1; done`;

  it('mounts as mount(8) asks, returns when the mount is usable, and umount(8) ends it', async () => {
    const { code, stdout, stderr } = await inNamespace(`
      mount -t fuse.byzfs ${directory} ${mnt} -o profile=strict,noexec
      echo content > ${mnt}/file
      grep -o ' ${mnt} fuse.byzfs [^ ]*' /proc/self/mounts
      ${umount}
      ls -A ${mnt}
      mount -r -t fuse.byzfs byzfs:${directory} ${mnt}
      cat ${mnt}/file
      touch ${mnt}/file 2>&1 || true
      ${umount}`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [flags, content, refused] = stdout.trim().split('\n');
    expect(flags).toMatch(/ rw,.*nosuid,nodev,noexec/);
    expect(content).toBe('content');
    expect(refused).toMatch(/Read-only file system/);
  });

  it('mounts lines of fstab, all of them with -a, and not what is mounted already', async () => {
    const options = 'noauto,user,_netdev,nofail,x-systemd.requires=network-online.target,client=alice,exec';
    fs.mkdirSync(path.join(scratch, 'other'));
    fs.writeFileSync(
      fstab,
      [
        `byzfs:${directory} ${mnt} fuse.byzfs ${options} 0 0`,
        `byzfs:${directory} ${scratch}/other fuse.byzfs defaults,_netdev 0 0\n`,
      ].join('\n'),
    );
    const { code, stdout, stderr } = await inNamespace(`
      count() { grep -c ' ${scratch}/.* fuse.byzfs ' /proc/self/mounts | sed "s/^/$1 /"; }
      mount -T ${fstab} ${mnt}
      count one
      grep -ho '"client":"[a-z]*"' ${directory}/run/mount-*.json
      mount -T ${fstab} -a
      count all
      mount -T ${fstab} -a
      count still
      umount ${scratch}/other
      ${umount}`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe('one 1\n"client":"alice"\nall 2\nstill 2\n');
  });

  it('fails with the status of mount(8), and one line', async () => {
    const { stdout, stderr } = await inNamespace(`
      try() { "$@" || echo $?; }
      try mount -t fuse.byzfs ${directory} ${mnt} -o fast
      try mount -t fuse.byzfs ${directory} ${mnt} -o client=NOBODY
      try mount -t fuse.byzfs ${directory} ${mnt} -o client=nobody
      try mount -t fuse.byzfs ${scratch}/none ${mnt}
      try mount -t fuse.byzfs ${directory} ${directory}/run
      try mount -f -t fuse.byzfs ${directory} ${mnt} -o fast
      try mount -f -t fuse.byzfs ${directory} ${mnt}
      mount -s -t fuse.byzfs ${directory} ${mnt} -o fast
      try mount -o remount,ro ${mnt}
      try mount -t fuse.byzfs ${directory} ${mnt}
      ${umount}
      try ${HELPER} ${directory}
      try ${HELPER} ${directory} ${mnt} -x
      try ${HELPER} ${directory} ${mnt} -N 1`);
    expect(stdout.trim().split('\n')).toEqual(['1', '1', '32', '32', '32', '1', '1', '32', '1', '1', '1']);
    const lines = stderr.trim().split('\n');
    const expected = [
      /option fast is unknown/,
      /1-63 of a-z/,
      /nobody/,
      /cluster\.json/,
      /run is in the cluster directory .*: give a directory outside it$/,
      /option fast is unknown/,
      /option remount is not supported: unmount, and mount/,
      /mounted already: byzfs umount it first$/,
      /a cluster directory and a mount point are needed/,
      /'-x'/,
      /another mount namespace/,
    ];
    expect(lines).toEqual(expected.map((line) => expect.stringMatching(line)));
    for (const line of lines) expect(line).toMatch(/^mount\.fuse\.byzfs: /);
  });

  it('umount --force aborts through fusectl where that is mounted, and says how many calls failed', async () => {
    const { stdout, stderr } = await inNamespace(`
      mount -t fusectl none /sys/fs/fuse/connections
      mount -t fuse.byzfs ${directory} ${mnt}
      pid=$(sed 's/.*"pid":\\([0-9]*\\).*/\\1/' ${directory}/run/mount-*.json)
      kill -STOP $pid
      (cat ${mnt}/x 2>&1 || true; echo went on) &
      until ps -o wchan= -p $(pgrep -P $! cat || echo 1) | grep -q request; do sleep 0.1; done
      ${process.execPath} ${path.join(path.dirname(HELPER), 'main.js')} umount ${mnt} --force || echo $?
      wait
      kill -0 $pid 2>&1 || true`);
    expect(stderr).toMatch(/mnt taken away; [1-9]\d* calls in it failed; what it had not sent is lost\n$/);
    expect(stdout).toMatch(/went on\n/);
    expect(stdout).toMatch(/^1$/m);
  });
});
