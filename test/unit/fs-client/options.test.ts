import { describe, expect, it } from 'vitest';
import { parseMountInfo } from '../../../fs-client/mountpoint.js';
import { MountOptionError, parseMountOptions } from '../../../fs-client/options.js';

describe('parseMountOptions', () => {
  it('has defaults', () => {
    const expected = {
      ...{ profile: 'session', kernel: 'dev-fuse', readOnly: false, deadlineMs: 30_000, without: new Set() },
      ...{ squash: undefined, subtree: [], synchronous: 'no', kernelFlags: ['nosuid', 'nodev'] },
    };
    expect(parseMountOptions('')).toEqual(expected);
    expect(parseMountOptions(',,')).toEqual(expected);
  });

  it('takes them all, the last one winning', () => {
    expect(parseMountOptions('profile=session,ro,rw,ro,profile=strict,deadline=2.5,no_allow_other')).toMatchObject({
      ...{ profile: 'strict', readOnly: true, allowOther: false, deadlineMs: 2500 },
    });
    expect(parseMountOptions('actimeo=0').freshMs).toBe(0);
    expect(parseMountOptions('without=pages:symlinks').without).toEqual(new Set(['pages', 'symlinks']));
    expect(parseMountOptions('kernel=fuse-native,allow_other,no_allow_other').kernel).toBe('fuse-native');
    expect(parseMountOptions('hard').deadlineMs).toBe(Number.POSITIVE_INFINITY);
    expect(parseMountOptions('hard,soft').deadlineMs).toBe(30_000);
  });

  it('takes a user for all requests', () => {
    expect(parseMountOptions('uid=7,uid=1000,gid=0').squash).toEqual({ uid: 1000, gid: 0 });
    expect(parseMountOptions('uid=4294967294,gid=4294967294').squash).toEqual({ uid: 2 ** 32 - 2, gid: 2 ** 32 - 2 });
  });

  it('takes a directory to mount, as bytes', () => {
    expect(parseMountOptions('subdir=/a//b/./c/').subtree).toEqual(['a', 'b', 'c']);
    expect(parseMountOptions('subdir=a').subtree).toEqual(['a']);
    expect(parseMountOptions('subdir=/').subtree).toEqual([]);
    expect(parseMountOptions('subdir=/a=b/é').subtree).toEqual(['a=b', 'Ã©']);
  });

  it('hands on what is for the kernel, the later of two that contradict each other', () => {
    expect(parseMountOptions('suid,exec,noexec,dev,nodev,noatime').kernelFlags).toEqual([
      ...['suid', 'nodev', 'noexec', 'noatime'],
    ]);
    expect(parseMountOptions('sync')).toMatchObject({ synchronous: 'all', kernelFlags: ['nosuid', 'nodev', 'sync'] });
    expect(parseMountOptions('sync,async').synchronous).toBe('no');
    expect(parseMountOptions('dirsync').synchronous).toBe('names');
    expect(parseMountOptions('dirsync,sync').synchronous).toBe('all');
  });

  it('passes over what is for mount(8), fstab(5) and systemd', () => {
    const line = 'defaults,_netdev,noauto,auto,nofail,user,users,nouser,user=me,owner,group,comment=a=b';
    expect(parseMountOptions(`${line},x-systemd.requires=network-online.target,X-mount.mkdir=0755`)).toEqual(
      parseMountOptions(''),
    );
  });

  it('passes over what is unknown only if asked to', () => {
    expect(parseMountOptions('fast,ro,really=1', true)).toMatchObject({ readOnly: true });
    expect(() => parseMountOptions('profile=fast', true)).toThrow(MountOptionError);
  });

  it.each([
    ['fast', /option fast is unknown: known are profile=strict\|session/],
    ['profile=', /option profile is empty/],
    ['profile=toString', /option profile is toString: use profile=strict or profile=session/],
    ['profile', /option profile is empty/],
    ['ro=1', /option ro takes no value/],
    ['deadline=soon', /option deadline is soon: use deadline=SECONDS/],
    ['deadline=0', /option deadline is 0/],
    ['deadline=1e9', /option deadline is 1e9/],
    ['deadline', /option deadline is empty/],
    ['hard,deadline=5', /option deadline contradicts hard/],
    ['actimeo=-1', /option actimeo is -1: use actimeo=SECONDS/],
    ['profile=strict,actimeo=3', /option actimeo contradicts profile=strict/],
    ['without', /option without is empty: known are attributes, /],
    ['without=pages:speed', /option without is pages:speed/],
    ['kernel=libfuse', /option kernel is libfuse: use kernel=dev-fuse or kernel=fuse-native/],
    ['kernel', /option kernel is empty/],
    ['allow_other,kernel=fuse-native', /option allow_other contradicts kernel=fuse-native/],
    ['constructor', /option constructor is unknown/],
    ['fast=1', /option fast is unknown/],
    ['nosuid=1', /option nosuid takes no value/],
    ['uid=1000', /option uid needs gid beside it/],
    ['gid=1000', /option gid needs uid beside it/],
    ['uid=me,gid=0', /option uid is me: use uid=N/],
    ['uid=4294967295,gid=0', /option uid is 4294967295/],
    ['subdir=', /option subdir is empty/],
    ['subdir', /option subdir is empty/],
    ['subdir=a/../..', /option subdir is a\/..\/..: use subdir=PATH .* without \.\.$/],
    ['remount,ro', /option remount is not supported: unmount, and mount/],
    ['strictatime', /option strictatime cannot be kept/],
  ])('refuses %s in one line that names it', (text, message) => {
    expect(() => parseMountOptions(text)).toThrow(MountOptionError);
    expect(() => parseMountOptions(text)).toThrow(message);
    expect(() => parseMountOptions(text)).not.toThrow(/\n/);
  });
});

describe('parseMountInfo', () => {
  it('reads lines of proc(5), escapes and optional fields included', () => {
    const text = `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
42 27 0:39 / /srv/a\\040b\\134c rw,nosuid,nodev,relatime - fuse.byzfs byzfs:/data/my\\040cluster rw,user_id=0
`;
    expect(parseMountInfo(text)).toEqual([
      { mountpoint: '/mnt2', type: 'ext3', source: '/dev/root', major: 98, minor: 0 },
      { mountpoint: '/srv/a b\\c', type: 'fuse.byzfs', source: 'byzfs:/data/my cluster', major: 0, minor: 39 },
    ]);
  });
});
