import { describe, expect, it } from 'vitest';
import { type Handle, ROOT_HANDLE } from '../../../src/fileservice/types.js';
import { BLOCK, create, endSession, inRoot, tentatively } from './changes.js';
import { bytes, Driver, ROOT, SESSION } from './support.js';

/** Names in pages of two or three entries. */
function namesInPages(fs: Driver, directory: Handle): string[] {
  const names: string[] = [];
  for (let cookie = 2; ; ) {
    const { entries, end } = fs.run('readdir', { directory, cookie, maxBytes: 330 });
    names.push(...entries.map((entry) => Buffer.from(entry.name).toString()));
    if (end) return names;
    const last = entries[entries.length - 1].cookie;
    expect(last).toBeGreaterThan(cookie);
    cookie = last;
  }
}

/** Makes empty files until the next inode is number `ino`. */
function skipTo(fs: Driver, ino: number): void {
  for (let next = fs.create('first to skip').ino + 1; next < ino; next++) fs.create(`skipped ${next}`);
}

describe('what SQLite does not have yet is part of', () => {
  it('a directory: entries added, removed and replaced since', () => {
    const fs = Driver.fresh();
    const directory = fs.mkdir('d');
    const at = (name: string) => ({ parent: directory, name: bytes(name) });
    for (let i = 0; i < 30; i++) fs.create(`f${i}`, 0o644, ROOT, directory);
    fs.state.commit();
    for (let i = 0; i < 20; i++) fs.run('unlink', { ...at(`f${i}`), retain: 0 });
    fs.create('new', 0o644, ROOT, directory);
    fs.create('f3', 0o644, ROOT, directory);
    fs.run('rename', { ...at('f21'), newParent: directory, newName: bytes('f25'), flags: 0, retain: 0 });
    fs.run('rename', { ...at('f29'), newParent: directory, newName: bytes('moved'), flags: 0, retain: 0 });
    const expected = ['f20', 'f22', 'f23', 'f24', 'f25', 'f26', 'f27', 'f28', 'new', 'f3', 'moved'];
    expect(namesInPages(fs, directory)).toEqual(expected);
    expect(fs.names(directory)).toEqual(expected);
    fs.state.commit();
    expect(namesInPages(fs, directory)).toEqual(expected);
  });

  it('that directory only, and not of one whose number begins alike', () => {
    const fs = Driver.fresh();
    const two = fs.mkdir('two');
    skipTo(fs, 20);
    const twenty = fs.mkdir('twenty');
    expect([two.ino, twenty.ino]).toEqual([2, 20]);
    fs.state.commit();
    fs.create('here', 0o644, ROOT, twenty);
    expect([fs.names(two), fs.names(twenty)]).toEqual([[], ['here']]);
  });

  for (const kept of [0, 2, 5]) {
    it(`a file that is cut to ${kept} of its many blocks`, () => {
      const fs = Driver.fresh();
      const file = fs.create('two');
      skipTo(fs, 20);
      const other = fs.create('twenty');
      for (const node of [file, other]) fs.write(node, 0, Buffer.alloc(28 * BLOCK, 1));
      fs.state.commit();
      for (const position of [3, 26]) fs.write(file, position * BLOCK, Buffer.alloc(BLOCK, 2));
      fs.run('setattr', { node: file, size: 27 * BLOCK });
      fs.write(file, 30 * BLOCK, Buffer.alloc(BLOCK, 3));
      fs.write(other, 20 * BLOCK, Buffer.alloc(BLOCK, 3));
      expect(fs.stat(file).blocks * 512).toBe(28 * BLOCK);
      fs.run('setattr', { node: file, size: kept * BLOCK });
      expect(fs.stat(file).blocks * 512).toBe(kept * BLOCK);
      fs.run('setattr', { node: file, size: 31 * BLOCK });
      const content = Buffer.alloc(31 * BLOCK);
      content.fill(1, 0, kept * BLOCK);
      if (kept > 3) content.fill(2, 3 * BLOCK, 4 * BLOCK);
      expect(fs.read(file).equals(content)).toBe(true);
      expect(fs.read(other)[20 * BLOCK]).toBe(3);
      expect(fs.state.statistics.usedBytes).toBe((28 + kept) * BLOCK);
      expect(fs.state.checkpoint()).toEqual(fs.state.recomputeDigest());
    });
  }

  it('the sessions of a client, and not of one whose number begins alike', () => {
    const fs = Driver.fresh();
    const open = (client: number, instance: number, slots = 1) =>
      tentatively(fs, [{ kind: 'open-session', session: { client, instance }, slots }]);
    const listed = (client: number) =>
      fs.state.sessions.sessions(client).map(({ session, slots }) => [session.client, session.instance, slots]);
    for (const instance of [5, 10, 20]) {
      open(1, instance);
      fs.state.commitBatch();
    }
    fs.state.commit();
    open(1, 9);
    fs.state.commitBatch();
    open(10, 7);
    fs.state.commitBatch();
    open(1, 20, 2);
    fs.state.commitBatch();
    tentatively(fs, [endSession({ client: 1, instance: 10 })]);
    expect(listed(1)).toEqual([
      [1, 5, 1],
      [1, 9, 1],
      [1, 20, 2],
    ]);
    expect(listed(10)).toEqual([[10, 7, 1]]);
    fs.state.rollbackBatch();
    expect(listed(1)).toHaveLength(4);
  });

  it('what a session holds open, and not of one whose number begins alike', () => {
    const fs = Driver.fresh();
    const other = { ...SESSION, instance: SESSION.instance * 10 };
    const hold = (name: string, session = SESSION): Handle => {
      tentatively(fs, [create(name), { kind: 'unlink-open', session, parent: ROOT_HANDLE, name }]);
      fs.state.commitBatch();
      return { ino: 2 + held++, generation: 1 };
    };
    let held = 0;
    const [early, released] = [hold('early'), hold('released')];
    fs.state.commit();
    fs.run('release', { node: released });
    const [late, theirs] = [hold('late'), hold('theirs', other)];
    tentatively(fs, [endSession(SESSION)]);
    fs.state.commitBatch();
    expect([early, released, late, theirs].map((node) => fs.outcome('getattr', { node }))).toEqual([
      'ESTALE',
      'ESTALE',
      'ESTALE',
      'ok',
    ]);
    expect(fs.outcome('lookup', inRoot('late'))).toBe('ENOENT');
    expect(fs.state.checkpoint()).toEqual(fs.state.recomputeDigest());
  });
});
