import { closeSync, existsSync, openSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { createFileState, type FileStateOptions, openFileState, StateError } from '../../../replica/state/index.js';
import { ROOT_HANDLE } from '../../../src/fileservice/types.js';
import { bytes, cluster, Driver, options } from './support.js';

function refusal(action: () => unknown): StateError {
  try {
    action();
  } catch (error) {
    if (error instanceof StateError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

/** Makes a state with a file in it and closes it. */
function closedState(durability: 'buffered' | 'synced' = 'buffered'): FileStateOptions {
  const fs = new Driver(options({}, durability));
  fs.write(fs.create('f'), 0, Buffer.alloc(100_000, 1));
  fs.state.close();
  return fs.options;
}

describe('a new state', () => {
  it('is the agreed one, the same on every replica', () => {
    const fs = Driver.fresh({ rootUid: 7, rootGid: 8 });
    const created = { seconds: 1_700_000_000, nanoseconds: 0 };
    expect(fs.stat(ROOT_HANDLE)).toMatchObject({ ino: 1, generation: 1, mode: 0o40755, nlink: 2, uid: 7, gid: 8 });
    expect(fs.stat(ROOT_HANDLE)).toMatchObject({ atime: created, mtime: created, ctime: created });
    const [one, other, third] = [Driver.fresh(), Driver.fresh(), Driver.fresh({ rootUid: 1 })].map((d) => d.state);
    expect([one.lastExecuted, one.clock]).toEqual([0, created]);
    expect(one.checkpoint()).toHaveLength(32);
    expect(one.checkpoint()).toEqual(other.checkpoint());
    expect(one.checkpoint()).not.toEqual(third.checkpoint());
  });

  it('has clock and counters in its digest', () => {
    const digests = [0, 1].map((nanoseconds) => {
      const { state } = Driver.fresh();
      state.beginBatch(1);
      state.endBatch({ seconds: 1_700_000_009, nanoseconds });
      state.commitBatch();
      return Buffer.from(state.checkpoint()).toString('hex');
    });
    expect(digests[0]).not.toBe(digests[1]);
  });

  it('cannot be made in a directory that does not exist', () => {
    const nowhere = { ...options(), path: '/nonexistent/state.db' };
    expect(refusal(() => createFileState(nowhere)).code).toBe('unreadable');
  });

  it('is not made over another, nor under the log of one', () => {
    const closed = closedState();
    expect(refusal(() => createFileState(closed)).code).toBe('exists');
    rmSync(closed.path);
    writeFileSync(`${closed.path}-wal`, 'x');
    expect(refusal(() => createFileState(closed)).code).toBe('exists');
  });
});

describe('opening', () => {
  const cases: [what: string, spoil: (o: FileStateOptions) => FileStateOptions | undefined, code: string][] = [
    ['nothing', (o) => void rmSync(o.path), 'missing'],
    ['an empty file', (o) => void truncateSync(o.path, 0), 'corrupt'],
    ['another kind of file', (o) => void writeFileSync(o.path, 'x'.repeat(10_000)), 'corrupt'],
    ['half of one', (o) => void truncateSync(o.path, Math.floor(statSync(o.path).size / 2 / 8192) * 8192), 'corrupt'],
    ['another cluster’s', (o) => ({ ...o, cluster: cluster({ id: Buffer.alloc(32, 2) }) }), 'cluster'],
    ['a later version’s', (o) => edit(o, 'PRAGMA user_version = 99'), 'version'],
    ['another program’s', (o) => edit(o, 'PRAGMA application_id = 1'), 'corrupt'],
    ['one without header', (o) => edit(o, 'DELETE FROM state'), 'corrupt'],
    ['one without a table', (o) => edit(o, 'DROP TABLE inode'), 'corrupt'],
    ['one whose rows were changed', (o) => edit(o, 'UPDATE inode SET uid = 5 WHERE ino = 2'), 'corrupt'],
    ['one whose data was changed', (o) => edit(o, "UPDATE block SET data = x'00' WHERE position = 0"), 'corrupt'],
    ['one with a flipped bit', (o) => flip(o), 'corrupt'],
  ];
  const edit = (o: FileStateOptions, sql: string): undefined => {
    const db = new Database(o.path);
    db.exec(sql);
    db.close();
  };
  const flip = (o: FileStateOptions): undefined => {
    const file = openSync(o.path, 'r+');
    writeSync(file, Buffer.alloc(1, 0x55), 0, 1, statSync(o.path).size - 2000);
    closeSync(file);
  };

  for (const [what, spoil, code] of cases) {
    it(`${what} is refused: ${code}`, () => {
      const closed = closedState();
      const error = refusal(() => openFileState(spoil(closed) ?? closed));
      expect(error.code).toBe(code);
      expect(error.message).toMatch(/^\/.*state\.db: [^\n]+$/);
    });
  }

  it('one that is open already is refused', () => {
    const fs = Driver.fresh();
    expect(refusal(() => openFileState(fs.options)).code).toBe('locked');
    fs.state.close();
    openFileState(fs.options).close();
  });

  it('goes on from the last commit, and leaves no log behind when closed', () => {
    for (const durability of ['buffered', 'synced'] as const) {
      const closed = closedState(durability);
      expect(existsSync(`${closed.path}-wal`)).toBe(false);
      const fs = new Driver(closed, openFileState(closed));
      expect([fs.names(), fs.read({ ino: 2, generation: 1 }).length]).toEqual([['f'], 100_000]);
    }
  });
});

describe('commits', () => {
  it('are what a kill goes back to', () => {
    const fs = Driver.fresh();
    fs.create('kept');
    fs.state.commit();
    const committed = fs.state.checkpoint();
    const { lastExecuted } = fs.state;
    fs.create('lost');
    fs.state.checkpoint();
    fs.restart();
    expect(fs.state.lastExecuted).toBe(lastExecuted);
    expect(fs.state.checkpoint()).toEqual(committed);
    expect(fs.outcome('lookup', { parent: ROOT_HANDLE, name: bytes('lost') })).toBe('ENOENT');
  });

  it('copy a large log back to the database, and say so', () => {
    const fs = Driver.fresh();
    const file = fs.create('f');
    fs.state.commit();
    expect(fs.state.statistics).toMatchObject({ committed: 1, checkpointed: 0 });
    for (let i = 0; i < 8; i++) fs.write(file, i << 20, Buffer.alloc(1 << 20, i + 1));
    fs.state.commit();
    expect(fs.state.statistics).toMatchObject({ committed: 9, checkpointed: 9, touchedRows: 0 });
    const before = statSync(`${fs.options.path}-wal`).size;
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 8; i++) fs.write(file, i << 20, Buffer.alloc(1 << 20, i + round));
      fs.state.commit();
    }
    expect(statSync(`${fs.options.path}-wal`).size).toBeLessThan(before * 1.5);
  });

  it('hold batches together: neither they nor checkpoints happen inside one', () => {
    const fs = Driver.fresh();
    fs.state.beginBatch(1);
    expect(() => fs.state.commit()).toThrow('between batches');
    expect(() => fs.state.checkpoint()).toThrow('between batches');
    expect(() => fs.state.beginBatch(2)).toThrow('one batch');
    fs.state.endBatch(fs.nextTime);
    fs.state.commitBatch();
    expect(() => fs.state.beginBatch(3)).toThrow('follows');
  });
});
