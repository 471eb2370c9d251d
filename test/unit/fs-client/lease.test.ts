import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LOCK_TO_END, type LockRequest } from '../../../src/fileservice/locks.js';
import { RENEWAL_SECONDS } from '../../../src/fileservice/types.js';
import { ScriptedMount } from './scripted-service.js';

const LOCK: LockRequest = { kind: 'posix', type: 'write', start: 0, end: LOCK_TO_END, owner: 'process1', pid: 1 };
const OK = { errno: 0 };
const EIO = { errno: 5 };

describe('the lease of a mount', () => {
  let mount: ScriptedMount;
  const nextRenewal = () => vi.advanceTimersByTimeAsync(RENEWAL_SECONDS * 1000);

  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    mount = new ScriptedMount('session');
    await vi.advanceTimersByTimeAsync(0);
  });
  afterEach(() => vi.useRealTimers());

  it('is renewed again and again', async () => {
    expect(mount.service.renewals).toHaveLength(1);
    await nextRenewal();
    await nextRenewal();
    expect(mount.service.renewals).toHaveLength(3);
    expect(mount.logged).toEqual([]);
  });

  it('is asked which of the files that others unlinked are open here', async () => {
    const open = await mount.create('f');
    mount.service.unclaimed = [open.ino, 999];
    await nextRenewal();
    expect(mount.service.renewals.slice(1)).toEqual([
      { op: 'renew', claimed: [], released: [] },
      { op: 'renew', claimed: [open.ino], released: [999] },
    ]);
    mount.fs.release(open.fh);
    await vi.advanceTimersByTimeAsync(0);
    expect(mount.service.executedOf('release')).toMatchObject([{ node: { ino: open.ino } }]);
  });

  it('lapses once it began, and with it go the locks: whoever held one is told once', async () => {
    const { fh } = await mount.create('f');
    const other = await mount.create('g');
    expect(await mount.fs.setLock(fh, LOCK, undefined)).toEqual(OK);
    mount.service.lapsed = true;
    await nextRenewal();
    expect(mount.logged.map(({ msg }) => msg)).toEqual([expect.stringContaining('the lease has lapsed')]);
    expect(await mount.fs.fsync(fh)).toEqual(EIO);
    expect(await mount.fs.fsync(fh)).toEqual(OK);
    expect(await mount.fs.fsync(other.fh)).toEqual(OK);
  });

  it('begins anew after the session was lost, without another word', async () => {
    await mount.service.loseSession();
    const said = mount.logged.length;
    mount.service.lapsed = true;
    await vi.advanceTimersByTimeAsync(0);
    expect(mount.service.renewals).toHaveLength(2);
    expect(mount.logged).toHaveLength(said);
  });

  it('ends with the mount, not with an attempt to unmount it', async () => {
    await mount.fs.quiesce();
    await nextRenewal();
    expect(mount.service.renewals).toHaveLength(2);
    await mount.fs.end();
    await nextRenewal();
    expect(mount.service.renewals).toHaveLength(2);
  });
});

describe('locks of a mount', () => {
  let mount: ScriptedMount;
  beforeEach(() => {
    mount = new ScriptedMount('session');
  });
  const executed = () =>
    mount.service.executedOf('write', 'lock').map((each) => [each.op, 'lock' in each && each.lock.type]);

  it('are dropped after what was written under them was sent', async () => {
    const { fh } = await mount.create('f');
    await mount.fs.setLock(fh, LOCK, undefined);
    mount.write(fh, 0, 'under the lock');
    await mount.fs.setLock(fh, { ...LOCK, type: 'unlock' }, undefined);
    expect(executed()).toEqual([
      ['lock', 'write'],
      ['write', false],
      ['lock', 'unlock'],
    ]);
  });

  it('are dropped by a close of their owner, and by that of no other', async () => {
    const { fh } = await mount.create('f');
    await mount.fs.setLock(fh, LOCK, undefined);
    expect(await mount.fs.flush(fh, 'process2')).toEqual(OK);
    expect(executed()).toEqual([['lock', 'write']]);
    expect(await mount.fs.flush(fh, 'process1')).toEqual(OK);
    expect(executed()).toEqual([
      ['lock', 'write'],
      ['lock', 'unlock'],
    ]);
    expect(await mount.fs.flush(fh, 'process1')).toEqual(OK);
    expect(executed()).toHaveLength(2);
  });

  it('have the kernel drop what others changed before', async () => {
    const { fh, ino } = await mount.create('f');
    await mount.fs.setLock(fh, LOCK, undefined);
    expect(mount.invalidated).toEqual([]);
    await mount.fs.setLock(fh, { ...LOCK, type: 'unlock' }, undefined);
    mount.service.files.get('f')!.change += 1;
    await mount.fs.setLock(fh, LOCK, undefined);
    expect(mount.invalidated).toEqual([ino]);
  });
});
