import { describe, expect, it } from 'vitest';
import { RenameFlag } from '../../../src/fileservice/operations.js';
import { type Handle, ROOT_HANDLE } from '../../../src/fileservice/types.js';
import { ALICE, BOB, bytes, Driver, ROOT } from './support.js';

/** /full/inner, /empty, /other, files /f and /g with /h a link to /f. */
function tree() {
  const fs = Driver.fresh();
  const full = fs.mkdir('full');
  const inner = fs.mkdir('inner', 0o755, ROOT, full);
  const empty = fs.mkdir('empty');
  const f = fs.create('f');
  const g = fs.create('g');
  fs.run('link', { parent: ROOT_HANDLE, name: bytes('h'), node: f });
  const at = (path: string): [Handle, Buffer] => {
    const [name, directory] = path.split('/').reverse();
    const parents: Record<string, Handle> = { full, inner, empty };
    return [directory === undefined ? ROOT_HANDLE : parents[directory], bytes(name)];
  };
  const operand = (from: string, to: string, flags = 0) => {
    const [parent, name] = at(from);
    const [newParent, newName] = at(to);
    return { parent, name, newParent, newName, flags, retain: 0 };
  };
  return { fs, full, inner, empty, f, g, operand };
}

describe('rename', () => {
  const { EXCHANGE, NOREPLACE } = RenameFlag;
  const cases: [from: string, to: string, flags: number, outcome: string][] = [
    ['none', 'x', 0, 'ENOENT'],
    ['f', 'x', 4, 'EINVAL'],
    ['f', 'x', EXCHANGE | NOREPLACE, 'EINVAL'],
    ['f', 'g', NOREPLACE, 'EEXIST'],
    ['f', '..', NOREPLACE, 'EEXIST'],
    ['f', 'x', EXCHANGE, 'ENOENT'],
    ['f', 'f', 0, 'ok'],
    ['f', 'h', 0, 'ok'],
    ['f', 'full', 0, 'EISDIR'],
    ['full', 'f', 0, 'ENOTDIR'],
    ['empty', 'full', 0, 'ENOTEMPTY'],
    ['full', 'empty', 0, 'ok'],
    ['full', 'full/x', 0, 'EINVAL'],
    ['full', 'inner/x', 0, 'EINVAL'],
    ['full', 'full/inner', 0, 'EINVAL'],
    ['full/inner', 'full', 0, 'ENOTEMPTY'],
    ['full/inner', 'full', EXCHANGE, 'EINVAL'],
    ['full', 'full/inner', EXCHANGE, 'EINVAL'],
    ['f', 'inner/f', 0, 'ok'],
    ['f', 'full', EXCHANGE, 'ok'],
    ['full/inner', 'empty', EXCHANGE, 'ok'],
  ];
  for (const [from, to, flags, outcome] of cases) {
    it(`${from} → ${to} with flags ${flags}: ${outcome}`, () => {
      const { fs, operand } = tree();
      expect(fs.outcome('rename', operand(from, to, flags))).toBe(outcome);
      expect(fs.state.checkpoint()).toEqual(fs.state.recomputeDigest());
    });
  }

  it('moves a directory with its `..` and its parents’ links', () => {
    const { fs, operand, empty, full, inner } = tree();
    const time = fs.nextTime;
    const moved = fs.run('rename', operand('full/inner', 'empty/x'));
    expect(moved).toMatchObject({ parent: { nlink: 2, ctime: time }, newParent: { nlink: 3, mtime: time } });
    expect(moved.node).toMatchObject({ ino: inner.ino, ctime: time, mtime: inner.mtime, change: inner.change + 1 });
    expect(fs.run('lookup', { parent: inner, name: bytes('..') }).attributes.ino).toBe(empty.ino);
    expect([fs.names(full), fs.names(empty)]).toEqual([[], ['x']]);
  });

  it('replaces an empty directory within one parent', () => {
    const { fs, operand, empty } = tree();
    const moved = fs.run('rename', operand('full', 'empty'));
    expect(moved.replaced).toMatchObject({ ino: empty.ino, nlink: 0 });
    expect(moved.newParent).toEqual(moved.parent);
    expect(moved.newParent.nlink).toBe(3);
    expect(fs.names()).toEqual(['empty', 'f', 'g', 'h']);
    expect(fs.outcome('getattr', { node: empty })).toBe('ESTALE');
  });

  it('replaces a file, whose other names stay', () => {
    const { fs, operand, f } = tree();
    expect(fs.run('rename', operand('g', 'h')).replaced).toMatchObject({ ino: f.ino, nlink: 1 });
    expect(fs.names()).toEqual(['full', 'empty', 'f', 'h']);
  });

  it('of a file to another of its names does nothing', () => {
    const { fs, operand, f } = tree();
    const before = fs.stat(ROOT_HANDLE);
    expect(fs.run('rename', operand('f', 'h')).node).toMatchObject({ nlink: 2, ino: f.ino });
    expect(fs.names()).toContain('f');
    expect(fs.stat(ROOT_HANDLE)).toEqual(before);
  });

  it('exchanges a file and a directory of different parents', () => {
    const { fs, operand, full, inner, f } = tree();
    const swapped = fs.run('rename', operand('full/inner', 'f', EXCHANGE));
    expect(swapped.node.ino).toBe(inner.ino);
    expect(swapped.replaced?.ino).toBe(f.ino);
    expect([fs.stat(full).nlink, fs.stat(ROOT_HANDLE).nlink]).toEqual([2, 5]);
    expect(fs.run('lookup', { parent: inner, name: bytes('..') }).attributes.ino).toBe(1);
    expect(fs.run('lookup', { parent: full, name: bytes('inner') }).attributes.ino).toBe(f.ino);
  });

  it('checks both parents, the sticky bit, and write permission on a directory that changes its parent', () => {
    const fs = Driver.fresh();
    const mine = fs.mkdir('mine', 0o777);
    const sticky = fs.mkdir('sticky', 0o1777);
    const closed = fs.mkdir('closed', 0o755);
    fs.create('a', 0o644, ALICE, mine);
    fs.create('s', 0o644, ALICE, sticky);
    fs.create('b', 0o644, BOB, mine);
    fs.mkdir('d', 0o555, ALICE, mine);
    const rename = (parent: Handle, name: string, newParent: Handle, newName: string, who = BOB) =>
      fs.outcome('rename', { parent, name: bytes(name), newParent, newName: bytes(newName), flags: 0, retain: 0 }, who);
    expect(rename(mine, 'a', closed, 'a')).toBe('EACCES');
    expect(rename(sticky, 's', mine, 's')).toBe('EPERM');
    expect(rename(mine, 'b', sticky, 's')).toBe('EPERM');
    expect(rename(mine, 'd', sticky, 'd')).toBe('EACCES');
    expect(rename(mine, 'd', mine, 'e')).toBe('ok');
    expect(rename(mine, 'a', sticky, 'b')).toBe('ok');
    expect(rename(sticky, 's', mine, 's', ALICE)).toBe('ok');
    fs.chmod(mine, 0o666);
    expect(rename(mine, 's', sticky, 'x')).toBe('EACCES');
  });
});
