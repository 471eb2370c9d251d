import { describe, expect, it } from 'vitest';
import { openFileState } from '../../../replica/state/index.js';
import { ROOT_HANDLE } from '../../../src/fileservice/types.js';
import { create, inRoot, tentatively } from './changes.js';
import { Driver } from './support.js';

describe('while a batch is tentative', () => {
  /** A state with the committed file `kept`, `added` not yet committed, and `tentative` tentative. */
  function withTentative(): Driver {
    const fs = Driver.fresh();
    fs.create('kept');
    fs.state.commit();
    fs.create('added');
    tentatively(fs, [create('tentative')]);
    return fs;
  }
  const left = (fs: Driver): [number, string[]] => [fs.state.lastExecuted, fs.names()];

  it('it is seen', () => {
    const fs = withTentative();
    expect(fs.state.lastExecuted).toBe(3);
    expect(fs.query('lookup', inRoot('tentative'))).toMatchObject({ errno: 0 });
    expect(fs.query('readdir', { directory: ROOT_HANDLE, cookie: 2, maxBytes: 4096 })).toMatchObject({
      entries: [{}, {}, {}],
    });
  });

  it('a commit waits: a kill then goes back to the commit before it', () => {
    const fs = withTentative();
    fs.state.commit();
    expect(fs.state.statistics.committed).toBe(1);
    fs.restart();
    expect(left(fs)).toEqual([1, ['kept']]);
  });

  it('a commit that waited has the batch once it is final', () => {
    const fs = withTentative();
    fs.state.commit();
    fs.state.commitBatch();
    expect(fs.state.statistics).toMatchObject({ committed: 3, touchedRows: 0 });
    fs.restart();
    expect(left(fs)).toEqual([3, ['kept', 'added', 'tentative']]);
  });

  it('a commit that waited has all but the batch once it is undone', () => {
    const fs = withTentative();
    fs.state.commit();
    fs.state.rollbackBatch();
    expect(fs.state.statistics).toMatchObject({ committed: 2, touchedRows: 0 });
    fs.restart();
    expect(left(fs)).toEqual([2, ['kept', 'added']]);
  });

  it('a commit waits for one batch only', () => {
    const fs = withTentative();
    fs.state.commit();
    fs.state.commitBatch();
    fs.create('later');
    expect(fs.state.statistics.committed).toBe(3);
  });

  it('closing leaves it to the journal', () => {
    const fs = withTentative();
    fs.state.close();
    fs.state = openFileState(fs.options);
    expect(left(fs)).toEqual([2, ['kept', 'added']]);
  });

  it('there is no checkpoint and no other batch', () => {
    const fs = withTentative();
    expect(() => fs.state.checkpoint()).toThrow('between batches');
    expect(() => fs.state.recomputeDigest()).toThrow('between batches');
    expect(() => fs.state.beginBatch(4)).toThrow('one batch');
    fs.state.commitBatch();
    expect(() => fs.state.commitBatch()).toThrow('has been executed');
    expect(() => fs.state.rollbackBatch()).toThrow('has been executed');
    fs.state.beginBatch(4);
    expect(() => fs.state.commitBatch()).toThrow('has been executed');
    expect(() => fs.state.rollbackBatch()).toThrow('has been executed');
  });
});
