/** What is told, and what is forgotten, when a mount's session is ended, or lost because the service rolled back. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Errno } from '../../../src/fileservice/errno.js';
import { ROOT_HANDLE } from '../../../src/fileservice/types.js';
import { outcomeOf, ROOT, ScriptedMount, turns } from './scripted-service.js';

const OK = { errno: 0 };
const EIO = { errno: Errno.EIO };
const ESTALE = { errno: Errno.ESTALE };

const linesOn = (mount: ScriptedMount) => mount.logged.filter(({ msg }) => msg.startsWith('the session is lost'));

describe.each(['session', 'strict'] as const)('a %s mount that loses its session', (profile) => {
  it('reports unsynced changes once, at the next fsync', async () => {
    const mount = new ScriptedMount(profile);
    const { fh, ino } = await mount.create('f');
    await mount.write(fh, 0, 'x');
    await mount.fs.flush(fh);
    await mount.service.loseSession();
    expect(await mount.fs.fsync(fh)).toEqual(EIO);
    expect(await mount.fs.fsync(fh)).toEqual(OK);
    expect(await mount.fs.flush(fh)).toEqual(OK);
    expect(linesOn(mount)).toMatchObject([{ files: 1, inos: [ino] }]);
  });

  it('reports them at close, and not at a write before it', async () => {
    const mount = new ScriptedMount(profile);
    const { fh } = await mount.create('f');
    await mount.write(fh, 0, 'x');
    await mount.fs.flush(fh);
    await mount.service.loseSession();
    expect(await mount.write(fh, 1, 'y')).toMatchObject(OK);
    expect(await mount.fs.flush(fh)).toEqual(EIO);
    expect(await mount.fs.flush(fh)).toEqual(OK);
  });

  it('reports a truncation as it does writes', async () => {
    const mount = new ScriptedMount(profile);
    const { fh, ino } = await mount.create('f');
    await mount.fs.setattr(ROOT, ino, fh, { size: 10 });
    await mount.service.loseSession();
    expect(await mount.fs.flush(fh)).toEqual(EIO);
  });

  it('reports a change of attributes by name, and that the file was made at all', async () => {
    const mount = new ScriptedMount(profile);
    const { fh, ino } = await mount.create('f');
    await mount.service.loseSession();
    expect(await mount.fs.flush(fh)).toEqual(EIO);
    await mount.fs.setattr(ROOT, ino, undefined, { mode: 0o600 });
    await mount.service.loseSession();
    expect(await mount.fs.fsync(fh)).toEqual(EIO);
  });

  it('tells each open file once, whichever made the changes', async () => {
    const mount = new ScriptedMount(profile);
    const { fh, ino } = await mount.create('f');
    const other = await mount.open(ino);
    await mount.write(fh, 0, 'x');
    await mount.fs.flush(fh);
    await mount.service.loseSession();
    expect([await mount.fs.fsync(other), await mount.fs.fsync(fh)]).toEqual([EIO, EIO]);
    expect([await mount.fs.fsync(other), await mount.fs.flush(fh)]).toEqual([OK, OK]);
  });

  it('tells the fsync of a file opened later, if nobody knows, and not its close', async () => {
    const mount = new ScriptedMount(profile);
    const { fh, ino } = await mount.create('f');
    await mount.write(fh, 0, 'x');
    await mount.fs.flush(fh);
    mount.fs.release(fh);
    await mount.service.loseSession();
    expect(linesOn(mount)[0].files, 'nobody has it open').toBeUndefined();
    const [first, second] = [await mount.open(ino), await mount.open(ino)];
    expect(await mount.fs.flush(first)).toEqual(OK);
    expect(await mount.fs.fsync(first)).toEqual(EIO);
    expect([await mount.fs.fsync(first), await mount.fs.fsync(second)]).toEqual([OK, OK]);
  });

  it('reports changed names at the next fsync of their directory', async () => {
    const mount = new ScriptedMount(profile);
    const opened = mount.fs.opendir(ROOT, ROOT_HANDLE.ino) as { fh: number };
    await mount.create('f');
    expect(await mount.fs.fsyncdir(opened.fh)).toEqual(OK);
    await mount.service.loseSession();
    expect(await mount.fs.fsyncdir(opened.fh), 'synced before').toEqual(OK);
    await mount.fs.unlink(ROOT, ROOT_HANDLE.ino, 'f');
    await mount.service.loseSession();
    const later = mount.fs.opendir(ROOT, ROOT_HANDLE.ino) as { fh: number };
    expect(await mount.fs.fsyncdir(later.fh)).toEqual(EIO);
    expect([await mount.fs.fsyncdir(later.fh), await mount.fs.fsyncdir(opened.fh)]).toEqual([OK, EIO]);
  });

  it('reports nothing of what was synced, through whichever descriptor, nor to readers', async () => {
    const mount = new ScriptedMount(profile);
    const { fh, ino } = await mount.create('f');
    const other = await mount.open(ino);
    await mount.write(fh, 0, 'x');
    expect(await mount.fs.fsync(other)).toEqual(OK);
    await mount.service.loseSession();
    expect([await mount.fs.flush(fh), await mount.fs.flush(other), await mount.fs.fsync(fh)]).toEqual([OK, OK, OK]);
    expect(linesOn(mount).length).toBe(1);
    expect(linesOn(mount)[0].files).toBeUndefined();
  });

  it('reports what was written while it was being synced', async () => {
    const mount = new ScriptedMount(profile);
    const { fh } = await mount.create('f');
    await mount.write(fh, 0, 'x');
    mount.service.fate = ({ op }) => (op === 'fsync' ? 'hold' : 'execute');
    const synced = mount.fs.fsync(fh);
    await turns();
    await mount.write(fh, 1, 'y');
    await mount.service.settle();
    expect(await synced).toEqual(OK);
    await mount.service.loseSession();
    expect(await mount.fs.flush(fh)).toEqual(EIO);
  });

  it('lets an fsync under way fail, and that is the report', async () => {
    const mount = new ScriptedMount(profile);
    const { fh } = await mount.create('f');
    await mount.write(fh, 0, 'x');
    mount.service.fate = ({ op }) => (op === 'fsync' ? 'hold' : 'execute');
    const synced = mount.fs.fsync(fh);
    await turns();
    await mount.service.loseSession();
    expect(await synced).toEqual(EIO);
    expect(await mount.fs.flush(fh)).toEqual(OK);
  });

  it('does not believe an fsync that the next session answered', async () => {
    const mount = new ScriptedMount(profile);
    const { fh } = await mount.create('f');
    await mount.write(fh, 0, 'x');
    mount.service.fate = ({ op }) => (op === 'fsync' ? 'hold' : 'execute');
    const synced = mount.fs.fsync(fh);
    await turns();
    mount.fs.sessionLost();
    await mount.service.settle();
    expect(await synced).toEqual(EIO);
  });
});

describe('what a session mount remembers', () => {
  it('is forgotten, and what the service says next is believed even if it looks older', async () => {
    const mount = new ScriptedMount('session');
    const { fh, ino } = await mount.create('f');
    mount.write(fh, 0, 'undone');
    await mount.fs.flush(fh);
    const lookup = () => mount.fs.lookup(ROOT, ROOT_HANDLE.ino, 'f');
    expect(lookup()).toMatchObject({ errno: 0, attributes: { size: 6 } });

    const file = mount.service.files.get('f')!;
    file.content = Buffer.alloc(0);
    file.change = 1;
    await mount.service.loseSession();
    expect(mount.invalidated).toContain(ino);
    expect(await lookup()).toMatchObject({ errno: 0, attributes: { size: 0, change: 1 } });
    expect(await mount.fs.getattr(ROOT, ino)).toMatchObject({ errno: 0, attributes: { size: 0 } });
  });

  it('is no reason to keep pages at the next open, whatever the change counter says', async () => {
    const mount = new ScriptedMount('session');
    const { ino } = await mount.create('f');
    expect(await mount.fs.open(ROOT, ino, 0)).toMatchObject({ keepCache: true });
    await mount.service.loseSession();
    const opened = await mount.fs.open(ROOT, ino, 0);
    expect(opened).toMatchObject({ keepCache: false });
    await mount.fs.read((opened as { fh: number }).fh, 0, 1);
    expect(await mount.fs.open(ROOT, ino, 0)).toMatchObject({ keepCache: true });
  });

  it('fails writes that were under way, once each file', async () => {
    const mount = new ScriptedMount('session');
    const { fh } = await mount.create('f');
    mount.service.fate = ({ op }) => (op === 'write' ? 'hold' : 'execute');
    mount.write(fh, 0, 'x');
    const flushed = mount.fs.flush(fh);
    expect(await outcomeOf(flushed)).toBeUndefined();
    await mount.service.loseSession();
    expect(await flushed).toEqual(EIO);
    expect(await mount.fs.flush(fh)).toEqual(OK);
  });

  it('includes names, and inodes that it had removed or that are gone', async () => {
    const mount = new ScriptedMount('session');
    const { fh, ino } = await mount.create('f');
    const back = await mount.create('g');
    mount.fs.release(back.fh);
    const undone = mount.service.files.get('g')!;
    await mount.fs.unlink(ROOT, ROOT_HANDLE.ino, 'g');
    expect(await mount.fs.getattr(ROOT, back.ino)).toMatchObject({ attributes: { nlink: 0 } });

    mount.service.files.set('g', undone);
    mount.service.files.delete('f');
    await mount.service.loseSession();
    expect(mount.epochs).toBe(1);
    expect(await mount.fs.getattr(ROOT, back.ino)).toMatchObject({ errno: 0, attributes: { nlink: 1 } });
    expect(await mount.fs.lookup(ROOT, ROOT_HANDLE.ino, 'f')).toMatchObject({ errno: Errno.ENOENT });
    expect(await mount.fs.getattr(ROOT, ino)).toEqual(ESTALE);
    expect(await mount.fs.open(ROOT, ino, 0)).toEqual(ESTALE);
    expect([await mount.fs.fsync(fh), await mount.fs.fsync(fh)]).toEqual([EIO, ESTALE]);
  });
});

describe('data that a session mount holds when the session is lost', () => {
  it('is dropped, and reported as what was sent is', async () => {
    const mount = new ScriptedMount('session');
    const { fh, ino } = await mount.create('f');
    mount.write(fh, 0, 'old');
    expect(await mount.fs.fsync(fh)).toEqual(OK);
    mount.write(fh, 3, ' and held');
    await mount.service.loseSession();
    expect(mount.content('f')).toBe('old');
    expect(linesOn(mount)).toMatchObject([{ files: 1, inos: [ino] }]);
    expect([await mount.fs.flush(fh), await mount.fs.flush(fh)]).toEqual([EIO, OK]);
    mount.write(fh, 3, ' and new');
    expect(await mount.fs.fsync(fh)).toEqual(OK);
    expect(mount.content('f')).toBe('old and new');
  });

  it.each([
    ['truncation', 'setattr', (m: ScriptedMount, ino: number) => m.fs.setattr(ROOT, ino, undefined, { size: 1 })],
    ['rename', 'rename', (m: ScriptedMount) => m.fs.rename(ROOT, ROOT_HANDLE.ino, 'f', ROOT_HANDLE.ino, 'g', 0)],
  ] as const)('takes with it a %s that waited for it', async (_, op, change) => {
    const mount = new ScriptedMount('session');
    const { fh, ino } = await mount.create('f');
    mount.service.fate = (operation) => (operation.op === 'write' ? 'hold' : 'execute');
    mount.write(fh, 0, 'x');
    const changed = change(mount, ino);
    expect(await outcomeOf(changed)).toBeUndefined();
    await mount.service.loseSession();
    expect(await changed).toEqual(EIO);
    expect(mount.service.executedOf(op)).toEqual([]);
  });
});

describe('a close with nothing to send', () => {
  let mount: ScriptedMount;
  let fh: number;
  beforeEach(async () => {
    vi.useFakeTimers();
    mount = new ScriptedMount('session');
    ({ fh } = await mount.create('f'));
    mount.write(fh, 0, 'x');
    await mount.fs.flush(fh);
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('asks nothing if the service was heard a moment ago, or all is synced', async () => {
    const asked = mount.service.options.length;
    expect(mount.fs.flush(fh)).toEqual(OK);
    expect(await mount.fs.fsync(fh)).toEqual(OK);
    vi.advanceTimersByTime(1000);
    expect(mount.fs.flush(fh)).toEqual(OK);
    expect(mount.service.options.length).toBe(asked + 1);
  });

  it('asks whether what was sent is still there', async () => {
    vi.advanceTimersByTime(1000);
    const closed = mount.fs.flush(fh);
    expect(await outcomeOf(closed)).toEqual(OK);
    vi.advanceTimersByTime(1000);
    mount.service.fate = () => 'hold';
    const again = mount.fs.flush(fh);
    expect(await outcomeOf(again)).toBeUndefined();
    mount.fs.sessionLost();
    await mount.service.settle();
    expect(await again).toEqual(EIO);
  });

  it('reports that nobody knows', async () => {
    vi.advanceTimersByTime(1000);
    mount.service.fate = () => 'refuse';
    expect(await mount.fs.flush(fh)).toEqual(EIO);
  });

  it('does not mind that another mount has removed the file', async () => {
    vi.advanceTimersByTime(1000);
    mount.service.files.clear();
    expect(await mount.fs.flush(fh)).toEqual(OK);
  });
});
