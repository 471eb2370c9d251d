/** Changes that were reported as failed but may be executed yet are never overtaken by later ones of the mount. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Errno } from '../../../src/fileservice/errno.js';
import type { Operation } from '../../../src/fileservice/operations.js';
import { ROOT_HANDLE } from '../../../src/fileservice/types.js';
import { DEADLINE_MS, outcomeOf, RDWR, ROOT, ScriptedMount, turns } from './scripted-service.js';

const OK = { errno: 0 };
const EIO = { errno: Errno.EIO };
const CREATE_TRUNCATE = RDWR | 0o1000;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a delayed write in doubt', () => {
  let mount: ScriptedMount;
  let fh: number;
  let ino: number;
  /** The first WRITE is never answered in time; everything later is executed at once. */
  beforeEach(async () => {
    mount = new ScriptedMount('session');
    ({ fh, ino } = await mount.create('f'));
    let first = true;
    mount.service.fate = ({ op }) => {
      if (op !== 'write' || !first) return 'execute';
      first = false;
      return 'doubt';
    };
    expect(mount.write(fh, 100, 'old')).toMatchObject(OK);
    expect(await mount.fs.flush(fh)).toEqual(EIO);
  });

  it('is reported once, and logged once with its place', async () => {
    expect(await mount.fs.flush(fh)).toEqual(OK);
    const lines = mount.logged.filter(({ ino: named }) => named === ino);
    expect(lines).toMatchObject([{ op: 'write', offset: 100, bytes: 3, msg: expect.stringMatching(/^in doubt/) }]);
  });

  it('holds an overlapping write back until it is settled', async () => {
    mount.write(fh, 102, 'new');
    const flushed = mount.fs.flush(fh);
    expect(await outcomeOf(flushed)).toBeUndefined();
    expect(mount.service.executedOf('write')).toEqual([]);
    await mount.service.settle();
    expect(await flushed).toEqual(OK);
    expect(mount.content('f').slice(100)).toBe('olnew');
  });

  it('lets writes of other bytes and other files pass', async () => {
    mount.write(fh, 103, 'after');
    mount.write(fh, 97, 'pre');
    expect(await outcomeOf(mount.fs.flush(fh))).toEqual(OK);
    const other = await mount.create('g');
    mount.write(other.fh, 100, 'new');
    expect(await outcomeOf(mount.fs.flush(other.fh))).toEqual(OK);
    await mount.service.settle();
    expect(mount.content('f').slice(97)).toBe('preoldafter');
  });

  it.each<[string, () => unknown, Operation['op']]>([
    ['append', () => mount.write(fh, 0, 'end', true) && mount.fs.flush(fh), 'write'],
    ['truncation', () => mount.fs.setattr(ROOT, ino, fh, { size: 1 }), 'setattr'],
    ['chmod', () => mount.fs.setattr(ROOT, ino, undefined, { mode: 0o600 }), 'setattr'],
    ['fsync', () => mount.fs.fsync(fh), 'fsync'],
    ['open that truncates', () => mount.fs.create(ROOT, ROOT_HANDLE.ino, 'f', 0o644, CREATE_TRUNCATE), 'setattr'],
  ])('holds back: %s', async (_, start, op) => {
    const waiting = start();
    expect(await outcomeOf(waiting)).toBeUndefined();
    expect(mount.service.executedOf(op)).toEqual([]);
    await mount.service.settle();
    expect(await waiting).toMatchObject(OK);
    expect(mount.service.executedOf('write', op)[0]).toMatchObject({ op: 'write', offset: 100, append: false });
  });

  it('fails what waits for it at its own deadline, without having sent it', async () => {
    await vi.advanceTimersByTimeAsync(10_000);
    mount.write(fh, 100, 'new');
    const flushed = mount.fs.flush(fh);
    await vi.advanceTimersByTimeAsync(DEADLINE_MS - 1);
    expect(await outcomeOf(flushed)).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    expect(await flushed).toEqual(EIO);
    await mount.service.settle();
    await vi.advanceTimersByTimeAsync(DEADLINE_MS);
    expect(mount.content('f').slice(100)).toBe('old');
    expect(await mount.fs.fsync(fh)).toEqual(OK);
  });

  it('lets go what comes after the loss of the session, and gives up what waited before it', async () => {
    mount.write(fh, 100, 'waited');
    const flushed = mount.fs.flush(fh);
    await turns();
    await mount.service.loseSession();
    expect(await flushed).toEqual(EIO);
    expect(mount.service.executedOf('write')).toEqual([]);
    mount.write(fh, 100, 'new');
    expect(await mount.fs.flush(fh)).toEqual(OK);
    expect(mount.content('f').slice(100)).toBe('new');
  });

  it('is remembered when the kernel has forgotten the file', async () => {
    mount.fs.release(fh);
    mount.fs.forget(ino, 1);
    const found = await mount.fs.lookup(ROOT, ROOT_HANDLE.ino, 'f');
    expect(found).toMatchObject({ errno: 0, attributes: { ino } });
    const again = await mount.open(ino);
    mount.write(again, 100, 'new');
    expect(await outcomeOf(mount.fs.flush(again))).toBeUndefined();
    await mount.service.settle();
    expect(mount.content('f').slice(100)).toBe('new');
  });
});

describe.each(['session', 'strict'] as const)('in a %s mount', (profile) => {
  it('a truncation in doubt holds writes back', async () => {
    const mount = new ScriptedMount(profile);
    const { fh, ino } = await mount.create('f');
    mount.service.fate = ({ op }) => (op === 'setattr' ? 'doubt' : 'execute');
    expect(await mount.fs.setattr(ROOT, ino, fh, { size: 0 })).toMatchObject(EIO);
    const written = mount.write(fh, 0, 'kept');
    const flushed = Promise.resolve(written).then(() => mount.fs.flush(fh));
    expect(await outcomeOf(flushed)).toBeUndefined();
    await mount.service.settle();
    expect(await flushed).toEqual(OK);
    expect(mount.content('f')).toBe('kept');
  });

  it('a change that was never sent is not in doubt', async () => {
    const mount = new ScriptedMount(profile);
    const { fh, ino } = await mount.create('f');
    mount.service.fate = ({ op }) => (op === 'setattr' ? 'refuse' : 'execute');
    expect(await mount.fs.setattr(ROOT, ino, fh, { size: 0 })).toMatchObject(EIO);
    mount.write(fh, 0, 'kept');
    expect(await outcomeOf(mount.fs.flush(fh))).toEqual(OK);
    await turns();
    expect(mount.content('f')).toBe('kept');
    expect(mount.logged.some(({ msg }) => msg.startsWith('in doubt'))).toBe(false);
  });

  it('a file in the making in doubt holds back whatever else changes its directory', async () => {
    const mount = new ScriptedMount(profile);
    let doubted = 0;
    mount.service.fate = ({ op }) => (op === 'create' && doubted++ === 0 ? 'doubt' : 'execute');
    expect(await mount.fs.create(ROOT, ROOT_HANDLE.ino, 'f', 0o644, CREATE_TRUNCATE)).toMatchObject(EIO);
    const second = mount.fs.create(ROOT, ROOT_HANDLE.ino, 'f', 0o644, CREATE_TRUNCATE);
    expect(await outcomeOf(second)).toBeUndefined();
    await mount.service.settle();
    expect(await second).toMatchObject(OK);
    // Had it been asked to truncate, it would have cut whatever file another mount had put there since.
    expect(mount.service.executedOf('create')).toMatchObject([{ truncate: false }, { truncate: false }]);
  });
});

describe('a change that the kernel did not wait for', () => {
  it('is not overtaken either', async () => {
    const mount = new ScriptedMount('strict');
    const { fh } = await mount.create('f');
    mount.service.fate = () => 'hold';
    const first = mount.write(fh, 0, 'first');
    // Its caller was killed: the kernel has let go of the inode.
    const second = mount.write(fh, 4, 'second');
    await turns();
    await mount.service.settle();
    expect(mount.content('f')).toBe('first');
    await mount.service.settle();
    expect([await first, await second]).toEqual([OK, OK]);
    expect(mount.content('f')).toBe('firssecond');
  });
});

describe('without a quorum', () => {
  it('a soft mount gives each call its deadline, a hard one none and says that it waits', async () => {
    const soft = new ScriptedMount('session');
    await soft.create('f');
    expect(soft.service.options.at(-1)).toEqual({ readOnly: false, deadlineMs: DEADLINE_MS });
    const hard = new ScriptedMount('session', Number.POSITIVE_INFINITY);
    hard.service.fate = () => 'hold';
    const made = hard.create('f');
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(await outcomeOf(made)).toBeUndefined();
    expect(hard.logged[0].msg).toMatch(/^no answer in 30 s: waiting on/);
    hard.service.fate = () => 'execute';
    await hard.service.settle();
    expect((await made).ino).toBe(2);
    expect(hard.service.options.at(-1)?.deadlineMs).toBe(Number.POSITIVE_INFINITY);
  });

  it('held data of one file does not wait one deadline after the other', async () => {
    const mount = new ScriptedMount('session');
    const { fh } = await mount.create('f');
    mount.service.fate = () => 'hold';
    for (let i = 0; i < 10; i++) mount.write(fh, i, 'x', i % 2 === 0);
    const flushed = mount.fs.flush(fh);
    await vi.advanceTimersByTimeAsync(DEADLINE_MS);
    mount.service.fate = () => 'refuse';
    await mount.service.loseSession();
    expect(await outcomeOf(flushed)).toEqual(EIO);
    expect(mount.service.options.length).toBeLessThanOrEqual(3);
  });

  it('statfs answers from what it last heard, and asks one call at a time', async () => {
    const mount = new ScriptedMount('session');
    await turns();
    const known = mount.fs.statfs();
    expect(known).toMatchObject({ errno: 0, statistics: { freeBlocks: 5 } });
    const asked = mount.service.options.length;
    mount.service.fate = () => 'hold';
    for (let i = 0; i < 10; i++) {
      await vi.advanceTimersByTimeAsync(1500);
      expect(mount.fs.statfs()).toEqual(known);
    }
    expect(mount.service.options.length).toBe(asked + 1);
  });
});
