import { describe, expect, it } from 'vitest';
import { parseMountInfo } from '../../../fs-client/mountpoint.js';
import { MountOptionError, parseMountOptions } from '../../../fs-client/options.js';

describe('parseMountOptions', () => {
  it('has defaults', () => {
    const expected = {
      profile: 'session',
      readOnly: false,
      allowOther: true,
      deadlineMs: 30_000,
      freshMs: undefined,
      without: new Set(),
    };
    expect(parseMountOptions('')).toEqual(expected);
    expect(parseMountOptions(',,')).toEqual(expected);
  });

  it('takes them all, the last one winning', () => {
    expect(parseMountOptions('profile=session,ro,rw,ro,profile=strict,deadline=2.5,no_allow_other')).toEqual({
      ...{
        profile: 'strict',
        readOnly: true,
        allowOther: false,
        deadlineMs: 2500,
        freshMs: undefined,
        without: new Set(),
      },
    });
    expect(parseMountOptions('actimeo=0').freshMs).toBe(0);
    expect(parseMountOptions('without=pages:symlinks').without).toEqual(new Set(['pages', 'symlinks']));
    expect(parseMountOptions('hard').deadlineMs).toBe(Number.POSITIVE_INFINITY);
    expect(parseMountOptions('hard,soft').deadlineMs).toBe(30_000);
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
    ['actimeo=-1', /option actimeo is -1: use actimeo=SECONDS/],
    ['profile=strict,actimeo=3', /option actimeo contradicts profile=strict/],
    ['without', /option without is empty: known are attributes, /],
    ['without=pages:speed', /option without is pages:speed/],
    ['hard,deadline=5', /option deadline contradicts hard/],
    ['kernel=libfuse', /option kernel is libfuse: use kernel=dev-fuse or kernel=fuse-native/],
    ['kernel', /option kernel is empty/],
    ['allow_other,kernel=fuse-native', /option allow_other contradicts kernel=fuse-native/],
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
