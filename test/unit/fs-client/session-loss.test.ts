/** What is told, and what is forgotten, when the service ends the session of a mount. */
import { describe, expect, it } from 'vitest';
import { Errno } from '../../../src/fileservice/errno.js';
import { ROOT_HANDLE } from '../../../src/fileservice/types.js';
import { outcomeOf, ROOT, ScriptedMount, turns } from './scripted-service.js';

const OK = { errno: 0 };
const EIO = { errno: Errno.EIO };

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
    expect(await mount.fs.open(ROOT, ino, 0)).toMatchObject({ keepCache: false });
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
});
